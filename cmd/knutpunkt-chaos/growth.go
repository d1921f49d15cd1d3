package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"
)

// A speed is how many documents came to slow systems in a second, from so many replicas.
type speed struct {
	Replicas  int     `json:"replicas"`
	PerSecond float64 `json:"perSecond"`
	Ratio     float64 `json:"ratio"` // to one replica
}

// How slow the systems are, how much is waiting for them, and how long it is at most waited for.
const (
	slowness     = 200 * time.Millisecond
	waitingForms = 600
	sentWithin   = 2 * time.Minute
)

// grow measures, where there are replicas, how what is delivered grows with the replicas while systems are slow, and the replicas
// wait for them more than they work.
func (o options) grow(ctx context.Context, dir string, out io.Writer, r *report) error {
	for n := 1; n <= o.replicas && o.replicas > 1; n++ {
		rate, err := o.rate(ctx, filepath.Join(dir, fmt.Sprint(n)), n)
		if err != nil {
			return err
		}
		s := speed{Replicas: n, PerSecond: rate, Ratio: 1}
		if len(r.Growth) > 0 {
			s.Ratio = rate / r.Growth[0].PerSecond
		}
		r.Growth = append(r.Growth, s)
		fmt.Fprintf(out, "%d replicas deliver %.0f/s to systems that take %v: %.2f times one\n", n, rate, slowness, s.Ratio)
	}
	return nil
}

// rate has forms wait for a system that takes its time, and gives how many of them it gets in a second
// once it is there.
func (o options) rate(ctx context.Context, dir string, replicas int) (perSecond float64, err error) {
	s, err := o.openStage(ctx, dir, replicas, nil, draw(o.seed, 2, 0, time.Second))
	if err != nil {
		return 0, err
	}
	defer s.close()
	open := make(chan struct{})
	s.systems[recognises].silent, s.systems[recognises].ledger.loose = true, true
	s.systems[recognises].script = func(call) fault {
		<-open
		time.Sleep(slowness)
		return ""
	}
	if err := s.startAll(ctx); err != nil {
		return 0, err
	}
	a := &act{stage: s}
	ctx, cancel := context.WithTimeout(ctx, sentWithin)
	defer cancel()
	for n := range waitingForms {
		a.post(ctx, a.form("plain", n, 1))
	}
	close(open)
	for a.posts(recognises, "") < waitingForms && ctx.Err() == nil {
		pause(ctx, 50*time.Millisecond)
	}
	return steady(s.systems[recognises].ledger.all()), nil
}

// steady gives how many documents came in a second, without the first and last tenth.
func steady(calls []call) float64 {
	var at []time.Time
	for _, c := range calls {
		if c.What == "post" {
			at = append(at, c.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	from, to := len(at)/10, len(at)*9/10
	if to <= from {
		return 0
	}
	return float64(to-from) / at[to].Sub(at[from]).Seconds()
}
