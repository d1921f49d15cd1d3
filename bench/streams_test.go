package main

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain makes this program an audience when it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(asAudience) != "" {
		if err := attend(); err != nil {
			fmt.Fprintln(os.Stderr, "audience:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// So many that they weigh more than what the tests before leave behind and the collector takes meanwhile.
func TestStreams(t *testing.T) {
	const streams = 500
	s, err := measureStreams(streams, time.Second)
	if err != nil || s.open != streams || s.bare <= 0 || s.memory <= 0 || s.arrived != 1 || s.dropped != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
