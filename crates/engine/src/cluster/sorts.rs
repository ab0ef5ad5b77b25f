//! Sorts in full: a window function that travels needs to see that its input is sorted.
//!
//! DataFusion leaves out of a sort what it knows to be constant, such as a literal column. That it is constant is known of the whole
//! plan; where Ballista cuts the plan into stages the knowledge is lost, and an executor refuses a window function over what looks
//! as if it were not sorted. So the columns left out are put back: they change no order.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, replace_children_if_necessary};

/// See the module.
#[derive(Debug)]
pub struct InFull;

impl PhysicalOptimizerRule for InFull {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let done = plan.transform_up(|node| {
            let Some(window) = sorted_window(&node) else { return Ok(Transformed::no(node)) };
            let (partition, order) = (window.partition_by().to_vec(), window.order_by().to_vec());
            let Some(input) = node.children().first().map(|input| Arc::clone(input)) else {
                return Ok(Transformed::no(node));
            };
            match below(&input, &partition, &order)? {
                Some(input) => Ok(Transformed::yes(replace_children_if_necessary(node, vec![input])?)),
                None => Ok(Transformed::no(node)),
            }
        });
        Ok(done?.data)
    }

    fn name(&self) -> &'static str {
        "sorts in full"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A window function over input that is sorted by all it needs.
fn sorted_window(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn WindowExpr>> {
    if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
        let sorted = window.input_order_mode == InputOrderMode::Sorted;
        return window.window_expr().first().filter(|_| sorted).cloned();
    }
    node.downcast_ref::<WindowAggExec>().and_then(|window| window.window_expr().first().cloned())
}

/// `node` with its sort in full, if it is one, or leads to one by window functions alone: these leave columns where they are.
fn below(
    node: &Arc<dyn ExecutionPlan>,
    partition: &[Arc<dyn datafusion::physical_expr::PhysicalExpr>],
    order: &[PhysicalSortExpr],
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(sort) = node.downcast_ref::<SortExec>() {
        let keys: Vec<PhysicalSortExpr> = sort.expr().iter().cloned().collect();
        let of_partition = |key: &&PhysicalSortExpr| partition.iter().any(|part| part.eq(&key.expr));
        // Those of the partition in the order they have, then those left out, then the others.
        let mut full: Vec<PhysicalSortExpr> = keys.iter().take_while(of_partition).cloned().collect();
        full.extend(partition.iter().map(|part| PhysicalSortExpr::new_default(part.clone())));
        full.extend(order.iter().cloned());
        full.extend(keys.iter().cloned());
        let mut seen = HashSet::new();
        full.retain(|key| seen.insert(key.expr.clone()));
        // What was sorted by is still sorted by, in the same order, or nothing is changed.
        let mut kept = full.iter().filter(|key| keys.contains(key));
        let same = keys.iter().all(|key| kept.next() == Some(key));
        let Some(full) = LexOrdering::new(full).filter(|full| same && full.len() > keys.len()) else {
            return Ok(None);
        };
        let sort = SortExec::new(full, sort.input().clone())
            .with_preserve_partitioning(sort.preserve_partitioning())
            .with_fetch(sort.fetch());
        return Ok(Some(Arc::new(sort)));
    }
    if !node.is::<BoundedWindowAggExec>() && !node.is::<WindowAggExec>() {
        return Ok(None);
    }
    let Some(input) = node.children().first().map(|input| Arc::clone(input)) else { return Ok(None) };
    match below(&input, partition, order)? {
        Some(input) => Ok(Some(replace_children_if_necessary(Arc::clone(node), vec![input])?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionContext;

    use super::super::{base, planning};

    async fn sorts(sql: &str) -> Vec<String> {
        let config = base().with_target_partitions(2);
        let context = SessionContext::new_with_state(planning(config, &[]).unwrap());
        context.sql("CREATE TABLE t AS VALUES (1, 2, 'a'), (3, 4, 'b')").await.unwrap().collect().await.unwrap();
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let text = displayable(plan.as_ref()).indent(false).to_string();
        text.lines().map(str::trim).filter(|line| line.starts_with("SortExec")).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_literal_that_rows_are_partitioned_by_is_sorted_by() {
        let sql = "SELECT row_number() OVER (PARTITION BY column1, keep ORDER BY column2 DESC, n) AS r \
             FROM (SELECT *, true AS keep, 0 AS n FROM t)";
        let sorts = sorts(sql).await;
        assert!(
            sorts.iter().any(|sort| sort.contains("column1@0 ASC NULLS LAST, keep@") && sort.contains("n@")),
            "{sorts:?}"
        );
    }

    #[tokio::test]
    async fn a_sort_that_says_all_stays_as_it_is() {
        let sql = "SELECT row_number() OVER (PARTITION BY column1 ORDER BY column2 DESC) AS r FROM t";
        let sorts = sorts(sql).await;
        assert!(sorts.iter().all(|sort| sort.contains("[column1@0 ASC NULLS LAST, column2@1 DESC]")), "{sorts:?}");
    }
}
