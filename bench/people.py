"""Matching on many small labelled sets of made-up persons that nothing was fitted to: how often does a default setting go wrong?

python bench/people.py [--from SEED] [--to SEED] [--worst N] [--program PATH]

Each seed draws a set of its own: 250 to 15,000 records; some of ten fields; how often each is missing, mistyped or another than it was; how many
records a person has; few or many distinct names and towns; and in a third of the sets, households whose members share a family name, an address and
now and then a phone. Prints the mean F1 of pairs in clusters, and the worst sets with the threshold that would have been best.
"""

import argparse
import csv
import json
import os
import random
import string
import subprocess
import tempfile
import zlib

GIVEN = (
    "james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan joseph jessica thomas sarah "
    "charles karen christopher lisa daniel nancy matthew betty anthony margaret mark sandra donald ashley steven kimberly paul emily "
    "andrew donna joshua michelle kenneth carol kevin amanda brian dorothy george melissa edward deborah"
).split()
FAMILY = (
    "smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson thomas taylor "
    "moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young allen king wright scott "
    "torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter roberts"
).split()
STREETS = "main oak pine maple cedar elm view lake hill park washington river church spring center".split()
SYLLABLES = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
# How often a set has the field.
FIELDS = {
    "given_name": 0.95, "family_name": 0.95, "birthday": 0.7, "phone": 0.6, "email": 0.5, "gender": 0.3, "street": 0.5, "city": 0.6,
    "postcode": 0.4, "id:member": 0.25,
}
MOVES = ("phone", "email", "street", "city", "postcode", "family_name")


class Set:
    def __init__(self, seed):
        self.chance = chance = random.Random(seed)
        self.size = chance.choice([250, 400, 800, 1500, 3000, 6000, 15000])
        self.fields = [field for field, share in FIELDS.items() if chance.random() < share]
        if not {"given_name", "family_name"} & set(self.fields):
            self.fields += ["given_name", "family_name"]
        if len([f for f in self.fields if f in ("birthday", "phone", "email", "street", "id:member")]) < 2:
            self.fields += [field for field in ("birthday", "phone") if field not in self.fields]
        self.missing = {field: chance.choice([0, 0, 0.05, 0.2, 0.5]) for field in self.fields}
        self.errors = {field: chance.choice([0, 0.03, 0.1, 0.25]) for field in self.fields}
        self.moved = {field: chance.choice([0, 0, 0.05, 0.3]) if field in MOVES else 0 for field in self.fields}
        many = chance.random() < 0.5
        self.family = [self.word(chance.randrange(2, 4)) for _ in range(3000)] if many else FAMILY
        self.given = GIVEN + [self.word(2) for _ in range(300)] if many else GIVEN
        self.cities = [self.word(3) for _ in range(chance.choice([3, 20, 200]))]
        self.households = chance.random() < 0.3
        self.more = chance.choice([0.1, 0.3, 0.6, 1.5])
        self.persons = []
        for _ in range(int(self.size / (1 + self.more))):
            self.persons.append(self.person())

    def word(self, syllables):
        return "".join(self.chance.choice(SYLLABLES) for _ in range(syllables))

    def often(self, values, slope):
        return self.chance.choices(values, [1 / (at + 1) ** slope for at in range(len(values))])[0]

    def phone(self):
        return f"1{self.chance.choice('3578')}{self.chance.randrange(10**9):09d}"

    def person(self):
        chance = self.chance
        given, family, city = self.often(self.given, 0.5), self.often(self.family, 0.7), self.often(self.cities, 0.8)
        local = chance.choice([f"{given}.{family}{chance.randrange(1, 99)}", f"{given[0]}{family}{chance.randrange(1950, 2006)}"])
        person = {
            "given_name": given, "family_name": family, "city": city,
            "birthday": f"{chance.randrange(1940, 2006)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}",
            "phone": self.phone(), "email": f"{local}@{chance.choice(['gmail.com', 'mail.com', 'web.de'])}", "gender": chance.choice("mf"),
            "street": f"{chance.randrange(1, 300)} {chance.choice(STREETS)} {chance.choice(['st', 'road', 'ave'])}",
            "postcode": f"{zlib.crc32(city.encode()) % 90 + 10}{chance.randrange(1000):03d}", "id:member": f"{chance.randrange(10**8):08d}",
        }
        if self.households and self.persons and chance.random() < 0.3:
            other = chance.choice(self.persons)
            person.update({field: other[field] for field in ("family_name", "street", "city", "postcode")})
            if chance.random() < 0.5:
                person["phone"] = other["phone"]
        return person

    def another(self, field, person):
        chance = self.chance
        return {
            "phone": self.phone, "email": lambda: f"{person['given_name']}{chance.randrange(9999)}@mail.com",
            "street": lambda: f"{chance.randrange(1, 300)} {chance.choice(STREETS)} st", "city": lambda: chance.choice(self.cities),
            "postcode": lambda: f"{chance.randrange(10000, 99999)}", "family_name": lambda: self.often(self.family, 0.7),
        }[field]()

    def mistyped(self, field, text):
        chance = self.chance
        if field == "birthday":
            year, month, day = text.split("-")
            kind = chance.randrange(3)
            if kind == 0 and int(day) <= 12:
                return f"{year}-{day}-{month}"
            if kind == 1:
                return f"{int(year) + chance.choice([-1, 1, 10, -10])}-{month}-{day}"
            return f"{year}-{month}-{chance.randrange(1, 29):02d}"
        if field == "gender":
            return {"m": "f", "f": "m"}[text]
        if field in ("given_name", "family_name") and chance.random() < 0.2:
            return text[0]
        at, kind = chance.randrange(len(text)), chance.randrange(4)
        letter = chance.choice(string.digits if text[at].isdigit() else string.ascii_lowercase)
        if kind == 0:
            return text[:at] + text[at + 1:]
        if kind == 1:
            return text[:at] + letter + text[at:]
        if kind == 2 or at + 1 == len(text):
            return text[:at] + letter + text[at + 1:]
        return text[:at] + text[at + 1] + text[at] + text[at + 2:]

    def record(self, number, dirty):
        chance, person, record = self.chance, self.persons[number], {}
        for field in self.fields:
            text = person[field]
            if dirty and chance.random() < self.moved[field]:
                text = self.another(field, person)
            if dirty and text and chance.random() < self.errors[field]:
                text = self.mistyped(field, text)
            record[field] = "" if chance.random() < self.missing[field] else text
        if dirty and {"given_name", "family_name"} <= set(self.fields) and chance.random() < 0.02:
            record["given_name"], record["family_name"] = record["family_name"], record["given_name"]
        return {"key": f"{chance.getrandbits(64):016x}", "source": "0", **record, "truth": str(number)}

    def records(self):
        found = [self.record(number, self.chance.random() < 0.3) for number in range(len(self.persons))]
        while len(found) < self.size:
            found.append(self.record(self.chance.randrange(len(self.persons)), True))
        self.chance.shuffle(found)
        return found

    def __str__(self):
        what = [f"{f} (missing {self.missing[f]}, wrong {self.errors[f]}, moved {self.moved[f]})" for f in self.fields]
        return f"{self.size} records{', households' if self.households else ''}: {', '.join(what)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", type=int, default=200)
    parser.add_argument("--to", type=int, default=300)
    parser.add_argument("--worst", type=int, default=10)
    parser.add_argument("--program", default="target/release/linkage")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "people.csv")
        for seed in range(options.first, options.to):
            people = Set(seed)
            records = people.records()
            with open(path, "w", newline="") as file:
                out = csv.DictWriter(file, list(records[0]))
                out.writeheader()
                out.writerows(records)
            done = subprocess.run([options.program, path, "thresholds"], check=True, capture_output=True, text=True)
            result = json.loads(done.stdout)
            best = max(result["by_threshold"], key=lambda at: at[1])
            found.append((result["quality"]["pairwise"], best, seed, str(people)))
    found.sort(key=lambda of: of[0]["f1"])
    for pairs, (threshold, best), seed, what in found[: options.worst]:
        print(f"F1 {pairs['f1']:.3f} (precision {pairs['precision']:.3f}, recall {pairs['recall']:.3f}; best {best:.3f} at {threshold}), seed {seed}: {what}")
    print(f"mean F1 {sum(pairs['f1'] for pairs, *_ in found) / len(found):.4f} of {len(found)} sets")


if __name__ == "__main__":
    main()
