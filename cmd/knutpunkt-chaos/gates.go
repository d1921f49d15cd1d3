package main

import "strings"

// A gate is something that a run must have met to be worth anything. One that met less is not green:
// it shows nothing.
type gate struct {
	What   string `json:"what"`
	Got    int    `json:"got"`
	Want   int    `json:"want"`
	Passed bool   `json:"passed"`
}

// gatesOf measures how much a run has exercised.
func gatesOf(v *view) []gate {
	planned := len(v.plan.forms())
	attempted, unheard := map[string]bool{}, 0
	for _, p := range v.posts {
		attempted[p.Form] = true
		if p.What == info {
			unheard++
		}
	}
	resent, got := 0, map[string]int{}
	for _, c := range v.calls {
		if c.What != "post" {
			continue
		}
		got[c.Kind]++
		if c.Nth > 1 {
			resent++
		}
	}
	for _, entries := range v.diaria {
		got[diary] += len(entries)
	}
	unclear, held := 0, 0
	for _, r := range v.listed {
		if r.State == "HELD" {
			held++
		}
		for _, d := range r.Deliveries {
			if d.State == "HELD" && d.Detail == "unclear" {
				unclear++
			}
		}
	}
	gates := []gate{
		{What: "forms attempted", Got: len(attempted), Want: planned * 95 / 100},
		{What: "faults while a form was accepted", Got: unheard, Want: 1},
		{What: "faults of the register", Got: v.faults, Want: 1},
		{What: "deaths while a system had a document", Got: v.struck[duringSend], Want: 1},
		{What: "deaths when a system had answered", Got: v.struck[afterAnswer], Want: 1},
		{What: "deaths when a 202 had been read", Got: v.struck[after202], Want: 1},
		{What: "deliveries sent again", Got: resent, Want: min(50, planned/10)},
		{What: "deliveries settled by asking", Got: v.asked(), Want: 1},
		{What: "deliveries held as unclear", Got: unclear, Want: 1},
		{What: "forms held", Got: held, Want: 1},
		{What: "submissions read at the end", Got: len(v.shown), Want: planned * 85 / 100},
		{What: "cases followed", Got: len(v.readings), Want: 1},
	}
	if planned >= 200 {
		gates = append(gates, gate{What: "deaths when a system had told news", Got: v.struck[afterNews], Want: 1},
			gate{What: "deaths while the register was asked", Got: v.struck[duringAsk], Want: 1})
	}
	if v.replicas > 1 {
		gates = append(gates, gate{What: "replicas killed with something in hand", Got: len(v.takeovers), Want: 1})
	}
	for _, a := range v.away {
		if a.Of == ofKafka {
			gates = append(gates, gate{What: "documents while the broker was away", Got: a.delivered(v.calls), Want: 1})
		}
	}
	for _, kind := range []string{recognises, tells, forgets, diary} {
		gates = append(gates, gate{What: "documents at the system that " + kind, Got: got[kind], Want: 1})
	}
	for i := range gates {
		gates[i].Passed = gates[i].Got >= gates[i].Want
	}
	return gates
}

// asked counts what was sent once, not answered for, and found by asking.
func (v *view) asked() (n int) {
	for _, calls := range v.sent {
		c := calls[0]
		id, _, _ := strings.Cut(c.Key, "-")
		if d := v.listed[id].Deliveries[c.Leg]; c.Kind == tells && len(calls) == 1 && !c.Fault.said() && c.Stored && (d.State == "DELIVERED" || d.State == "CONFIRMED") {
			n++
		}
	}
	return n
}
