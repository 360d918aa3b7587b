use expect_test::expect;
use serde_json::Value;

use super::*;
use crate::offline::tests::{HA, facts, find, rendered};

#[test]
fn a_bill_names_what_costs_what() {
    let facts = facts();
    let nodes = rendered(HA, &facts);
    expect![[r#"
        Platform ha: EUR each month by the price list of 2026-11-03
        REGION  PART                             WHAT                           NUMBER     NET   GROSS
        fsn     cluster main, load balancer api  load balancer lb11 in fsn1          1    7.49    8.91
        fsn     cluster main, pool cp            server cx33 with IPv4 in fsn1       3   26.97   32.09
        fsn     cluster main, pool work          server cx33 with IPv4 in fsn1       2   17.98   21.40
        fsn     load balancer web                load balancer lb11 in fsn1          1    7.49    8.91
        fsn     the region                                                               59.93   71.32
        hel     cluster main, load balancer api  load balancer lb11 in hel1          1    7.49    8.91
        hel     cluster main, pool cp            server cx33 with IPv4 in hel1       3   26.97   32.09
        hel     cluster main, pool work          server cx33 with IPv4 in hel1       2   17.98   21.40
        hel     the region                                                               52.44   62.40
                in all                                                                  112.37  133.72
        Not included: traffic.
    "#]]
    .assert_eq(&cost(&nodes, &facts));
}

#[test]
fn the_sum_is_what_the_status_says() {
    let facts = facts();
    let nodes = rendered(HA, &facts);
    assert_eq!(
        Value::Object(nodes[0].status["cost"].as_object().unwrap().clone()),
        serde_json::json!({"asOf": "2026-11-03", "currency": "EUR", "monthly": "112.37"})
    );
    let mut bill = Bill::default();
    bill.add(&nodes[0], &Part::default());
    let lines = bill.lines.iter();
    let sum = lines.map(|line| line.amounts.unwrap().net);
    let sum = sum.reduce(|sum, net| sum.plus(net).unwrap()).unwrap();
    assert_eq!(sum.exact(), "112.37");
    let region = &find(&nodes, "XRegion", "ha-hel").status["cost"]["monthly"];
    assert_eq!(region, "52.44");
}

#[test]
fn without_facts_nothing_is_guessed() {
    let nodes = rendered(
        include_str!("../../../../examples/cluster.yaml"),
        &Facts::default(),
    );
    expect![[r#"
        XCluster solo: unknown
        REGION  PART                             WHAT                           NUMBER      NET    GROSS
                cluster solo, load balancer api  load balancer lb11 in fsn1          1  unknown  unknown
                cluster solo, pool cp            server cx33 with IPv4 in fsn1       1  unknown  unknown
                in all                                                                  unknown  unknown
        There is no price list: give one with --facts (kubectl get pricings -o yaml).
        No price is known for: load balancer lb11 in fsn1; server cx33 with IPv4 in fsn1.
        Not included: traffic.
    "#]].assert_eq(&cost(&nodes, &Facts::default()));
    assert_eq!(nodes[0].status.get("cost"), None);
}

#[test]
fn what_the_list_does_not_have_is_named() {
    let facts = facts();
    // No platform around it: nobody judges the names of types.
    let claim = include_str!("../../../../examples/node-pool.yaml").replace(
        "[cx33, cpx32]",
        "[moon1]\n      volumes: [{name: data, size: 10}]\n      backups: true",
    );
    let nodes = rendered(&claim, &facts);
    expect![[r#"
        XNodePool runners: unknown
        REGION  PART       WHAT                                        NUMBER      NET    GROSS
                pool work  server moon1 with IPv4 and backups in fsn1       2  unknown  unknown
                pool work  volume of 10 GB                                  2     1.14     1.36
                in all                                                         unknown  unknown
        No price is known for: server moon1 with IPv4 and backups in fsn1.
        Not included: traffic.
    "#]]
    .assert_eq(&cost(&nodes, &facts));
}

#[test]
fn what_the_autoscaler_makes_is_not_guessed() {
    let facts = facts();
    let pool = "        count: 2\n        # The";
    let scaled = "        autoscaling: {min: 1, max: 7}\n        # The";
    let text = cost(&rendered(&HA.replace(pool, scaled), &facts), &facts);
    let last = text.lines().last().unwrap();
    assert_eq!(
        last,
        "Not included: traffic; servers that the autoscaler makes, 7 at most."
    );
}

#[test]
fn what_costs_nothing_has_no_bill() {
    let facts = facts();
    let nodes = rendered(include_str!("../../../../examples/platform.yaml"), &facts);
    assert_eq!(
        cost(&nodes, &facts),
        "Platform demo: no servers, volumes or load balancers\n"
    );
}
