// Command knutpunkt-chaos puts an unmodified knutpunkt through what happens to programs:
// it is killed, stopped and paused, its systems lie, hang and lose their answers, its callers
// repeat themselves and contradict themselves. Then everything is mended, and when all has come to
// rest the ledgers of those who sent and of those who received are held against what the hub says.
//
// It sees the hub from outside only: its API, its command line, its files as bytes, its process. Read
// run.go for the story; check.go lists what must hold.
//
// Exit code 0: everything held. 1: something did not. 2: it cannot be said, since the run did not
// exercise what it is about.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // Swedish time on any machine

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitHeld     = 0
	exitViolated = 1
	exitUnknown  = 2
	exitUsage    = 64
)

// options are the flags.
type options struct {
	seed           uint64
	duration       time.Duration
	forms, kills   int
	municipalities int
	replicas       int
	store, bus     string
	binary         string
	dir            string
	env            []string
	scenarios      []string
	report         string
	patience       time.Duration

	engines *engines // that run for --store and --bus
}

func execute(ctx context.Context, args []string) (code int) {
	var o options
	cmd := &cobra.Command{
		Use:   "knutpunkt-chaos",
		Short: "Kill a knutpunkt, lie to it, and hold what it says against everybody's ledgers",
		Long: `Run knutpunkt on an installation made for the purpose, with simulated platforms, registers
and business systems around it; kill, pause and stop it and make its surroundings fail while forms
come in; mend everything, wait for rest, and check what must hold.

Everything random comes from --seed. Exit code 0: all of it held. 1: something did not. 2: it
cannot be said.`,
		Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			code = o.run(cmd.Context(), cmd.OutOrStdout())
			return nil
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 0, "what everything random comes from; 0 draws one")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long forms come in and things fail, mending included")
	f.IntVar(&o.forms, "forms", 0, "how many forms are sent in; 0 is five for each second")
	f.IntVar(&o.kills, "kills", 0, "how often the hub is killed; 0 is ten times in the first minute and five in each later one")
	f.IntVar(&o.municipalities, "municipalities", 16, "how many municipalities share the hub")
	f.IntVar(&o.replicas, "replicas", 1, "how many processes share the work; more than one needs --store postgres")
	f.StringVar(&o.store, "store", ofSQLite, "where the hub has its store: sqlite, or postgres, which is started for the run and killed in it")
	f.StringVar(&o.bus, "bus", ofMemory, "what wakes its processes: memory, or kafka, which is started for the run and is away for a third of it")
	f.StringVar(&o.binary, "binary", "", "the knutpunkt to run; without it one is built with the Go toolchain")
	f.StringVar(&o.dir, "dir", "", "keep everything in this folder; otherwise it is removed unless something did not hold")
	f.StringArrayVar(&o.env, "env", nil, "NAME=value for the hub's environment; may be given several times")
	f.StringSliceVar(&o.scenarios, "scenario", nil, "only these directed scenarios: "+strings.Join(scenarioNames(), ", ")+"; none leaves them out, growth only measures replicas")
	f.DurationVar(&o.patience, "patience", restWithin, "how long a directed scenario waits for rest")
	f.StringVar(&o.report, "report", "", "write the report to this file, as JSON")
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "knutpunkt-chaos:", err)
		return exitUsage
	}
	return code
}

func (o *options) validate() error {
	for _, name := range o.scenarios {
		if name != none && name != growth && scenarioNamed(name) == nil {
			return fmt.Errorf("there is no scenario called %s; there are %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	if o.municipalities < 2 || o.municipalities > 40 {
		return errors.New("--municipalities must be between 2 and 40")
	}
	if o.store != ofSQLite && o.store != ofPostgres || o.bus != ofMemory && o.bus != ofKafka {
		return errors.New("--store is sqlite or postgres, and --bus is memory or kafka")
	}
	if o.replicas < 1 || o.replicas > 5 || o.replicas > 1 && o.store != ofPostgres {
		return errors.New("--replicas must be between 1 and 5, and more than one needs --store postgres")
	}
	if o.duration < 10*time.Second {
		return errors.New("--duration must be 10s or more")
	}
	for _, e := range o.env {
		if !strings.Contains(e, "=") {
			return errors.New("--env must be NAME=value")
		}
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1e9) + 1
	}
	if o.forms == 0 {
		o.forms = int(5 * o.duration.Seconds())
	}
	if o.kills == 0 {
		o.kills = max(int(min(o.duration, time.Minute).Seconds())/6, 2) + int(max(0, o.duration-time.Minute).Seconds())/12
	}
	return nil
}
