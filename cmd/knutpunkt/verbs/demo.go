package verbs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	dir   string
	once  bool
	forms int
	story string
	port  int
}

func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a whole simulated municipality and play a story",
		Long: `Start a whole simulated municipality: a form platform whose citizens send in forms,
Navet, a diarium, a building system and an e-ID, and the hub between them with an embedded
store. A story is played in the terminal and on the pages. Nothing leaves this machine.

With --once the story is played to its end, and the last line is the tally. Exit code 0
only when every form is accounted for: delivered exactly once, or resting with a person.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.story != "" && o.story != badMonday {
				return usage{fmt.Errorf("there is no story called %s; there is %s", o.story, badMonday)}
			}
			if o.forms < 1 {
				return usage{errors.New("--forms must be 1 or more")}
			}
			return o.play(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "keep everything in this folder, and go on from it; otherwise it is gone at the end")
	f.BoolVar(&o.once, "once", false, "play the story to its end, without asking anything, and account for every form")
	f.IntVar(&o.forms, "forms", 12, "how many forms the citizens send in")
	f.StringVar(&o.story, "story", "", "another story: bad-monday, in which things break")
	f.IntVar(&o.port, "port", 0, "the first of the ports to listen on, instead of 8700")
	return cmd
}

// badMonday is the story in which systems fail in the ways that systems fail.
const badMonday = "bad-monday"

// play sets the stage, plays, and accounts for what was played.
func (o demoOptions) play(ctx context.Context) error {
	remove, err := o.stage()
	if err != nil {
		return err
	}
	defer remove()
	sims, err := openSimulators(o.dir)
	if err != nil {
		return err
	}
	defer sims.close()
	if err := sims.start(ctx); err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(o.dir, "knutpunkt.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	tell := newNarrator(os.Stdout, o.once)
	in, err := open(ctx, o.dir, nil, slog.New(slog.NewJSONHandler(logFile, nil)), tell.store)
	if err != nil {
		return err
	}
	defer in.close()
	tell.bundle = in.hub.Bundle()
	return o.perform(ctx, in, sims, tell)
}

// perform runs the hub while the citizens send in their forms.
func (o demoOptions) perform(ctx context.Context, in *installation, sims *simulators, tell *narrator) error {
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- in.serve(serving) }()
	defer func() { stop(); <-served }()

	if err := awaitListener(ctx, in.settings.Listen); err != nil {
		return err
	}
	o.introduce(in, sims)
	if err := feedResidents(ctx, in.hub); err != nil {
		return err
	}
	cast := newCast(sims, o.forms, o.once)
	if o.story == badMonday {
		go cast.misfortunes(ctx)
	}
	cast.perform(ctx, tell)
	if !o.once {
		fmt.Println("\nThe story goes on with a form now and then. Stop it with Ctrl-C.")
		cast.goOn(ctx)
		return nil
	}
	return accountFor(ctx, in, sims, cast)
}

func (o demoOptions) introduce(in *installation, sims *simulators) {
	if o.once {
		return
	}
	fmt.Printf("Knutpunkt is running, with everything it keeps in %s\n\n", o.dir)
	fmt.Printf("  Mina ärenden           http://%s/\n", in.settings.Listen)
	fmt.Printf("  the work list          http://%s/console\n", in.settings.Operator)
	fmt.Printf("  metrics                http://%s/metrics\n", in.settings.Operator)
	fmt.Printf("  public API             http://%s/openapi.json\n", in.settings.Listen)
	fmt.Printf("%s\n", sims.addresses())
	fmt.Printf("On the work list these may decide: %s.\nTheir secrets are in %s, in files of their names.\n\n",
		names(in.settings.People), filepath.Join(o.dir, "secrets"))
}

func names(people []config.Operator) string {
	var all []string
	for _, p := range people {
		all = append(all, p.Name)
	}
	return strings.Join(all, " and ")
}

// stage writes the shipped configuration into the folder, unless there is one, and
// makes its secrets. Without --dir the folder is removed at the end.
func (o *demoOptions) stage() (remove func(), err error) {
	remove = func() {}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "knutpunkt-demo-"); err != nil {
			return remove, err
		}
		remove = func() { os.RemoveAll(o.dir) }
	}
	if _, err := os.Stat(filepath.Join(o.dir, "knutpunkt.yaml")); errors.Is(err, fs.ErrNotExist) {
		if err := writeConfiguration(o.dir, o.port); err != nil {
			return remove, err
		}
	}
	return remove, makeSecrets(o.dir)
}

// shippedPort is an address of the shipped configuration: its ports begin at 8700.
var shippedPort = regexp.MustCompile(`127\.0\.0\.1:87(\d\d)`)

// writeConfiguration copies the configuration that ships with Knutpunkt, with its
// ports moved when others are wanted.
func writeConfiguration(dir string, port int) error {
	return fs.WalkDir(knutpunkt.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := fs.ReadFile(knutpunkt.Files, path)
		if err != nil {
			return err
		}
		if port != 0 {
			text = shippedPort.ReplaceAllFunc(text, func(match []byte) []byte {
				n, _ := strconv.Atoi(string(match[len(match)-2:]))
				return []byte(net.JoinHostPort("127.0.0.1", strconv.Itoa(port+n)))
			})
		}
		return os.WriteFile(to, text, 0o644)
	})
}

// awaitListener waits until the hub answers on its address.
func awaitListener(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hub does not answer on %s", address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unfinished reports whether a state is one that goes on by itself.
func unfinished(s hub.State) bool {
	switch s {
	case hub.Accepted, hub.Enriching, hub.EnrichWait, hub.Routed:
		return true
	}
	return false
}
