// Command install brings what the tests on real engines need: see `make engines`.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// Outside CI a machine without the engines is a fine one: the tests say what they skip.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := enginetest.Install(ctx, os.Stderr); err != nil && os.Getenv("CI") != "" {
		os.Exit(1)
	}
}
