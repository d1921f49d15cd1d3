// Command knutpunkt is the whole product in one binary: the hub itself, a whole
// simulated municipality to try it on, and the tools of those who look after it.
package verbs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // Swedish time on any machine

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Main carries out the command line and ends the process. It knows the connectors that
// ship with Knutpunkt, and more, each held to the certificate that it brings.
func Main(more ...hub.Connector) {
	for _, c := range more {
		connectors.All = append(connectors.All, c.Certified())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// Exit codes, as in sysexits.h where it has one.
const (
	exitFailed  = 1
	exitUsage   = 64
	exitAgain   = 75 // nothing is wrong: give the same command again
	exitStorage = 74 // the disk failed: start again, and the rows tell how far we came
)

// run carries out one command line and gives its exit code.
func run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:   "knutpunkt",
		Short: "The junction between a municipality's forms and its business systems",
		Long: `Knutpunkt receives completed e-service forms, looks the persons up in the population
registers, delivers a document to each business system until it has given a receipt
or a person has taken over, and tells the citizen how the case is getting on.`,
		SilenceErrors: true, SilenceUsage: true, Version: version(),
	}
	root.AddCommand(
		serveCommand(), demoCommand(), simulatorsCommand(), checkCommand(), tryCommand(), editorCommand(),
		deliveriesCommand(), reconcileCommand(), wordsCommand(), noticesCommand(), systemsCommand(), residentsCommand(), connectorsCommand(), keysCommand(),
		backupCommand(), restoreCommand(), moveCommand(), doctorCommand(),
	)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	err := root.ExecuteContext(ctx)
	var told told
	switch {
	case err == nil:
		return 0
	case errors.As(err, &told):
		return int(told)
	}
	fmt.Fprintln(os.Stderr, "knutpunkt:", err)
	if errors.As(err, &usage{}) {
		return exitUsage
	}
	return exitFailed
}

// told is an exit code whose reason has been printed already.
type told int

func (t told) Error() string { return fmt.Sprintf("exit %d", int(t)) }

// usage is a command line that cannot be understood.
type usage struct{ error }
