package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub"
)

func systemsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "systems",
		Short: "See how the systems stand, pause one, or have one told again",
		Long: `See how the systems stand, pause one and take it up again, or have one told again what it has
lost. All of them talk to the hub that runs, as one of the operators in knutpunkt.yaml. She
pauses what is for her own municipalities; what several share is paused by who has them all.`,
	}
	var dir string
	cmd.PersistentFlags().StringVar(&dir, "config", ".", "the folder of the configuration")
	cmd.AddCommand(
		listSystems(&dir),
		pauseCommand(&dir, true, "pause SYSTEM", `Have a system called no more: what is for it waits, in order, and uses up no attempts`),
		pauseCommand(&dir, false, "resume SYSTEM", `Have a paused system called again: what waits is sent, in order`),
		retellCommand(&dir),
	)
	return cmd
}

// A systemState is one system, as the workplace is told of it.
type systemState struct {
	System    hub.SystemID
	Connector string
	Waiting   int
	Text      string
}

func listSystems(dir *string) *cobra.Command {
	var who workFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List the systems, how each stands and what waits for it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := who.open(*dir)
			if err != nil {
				return err
			}
			var all struct{ Systems []systemState }
			if err := at.call(cmd.Context(), http.MethodGet, "/v1/systems", nil, &all); err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "SYSTEM\tCONNECTOR\tWAITING\tSTATE")
			for _, s := range all.Systems {
				fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", s.System, s.Connector, s.Waiting, s.Text)
			}
			return table.Flush()
		},
	}
	who.register(cmd)
	return cmd
}

func pauseCommand(dir *string, paused bool, use, short string) *cobra.Command {
	var who workFlags
	var reason string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usage{errors.New("--reason TEXT says why")}
			}
			at, err := who.open(*dir)
			if err != nil {
				return err
			}
			var s systemState
			members := map[string]any{"system": args[0], "paused": paused, "reason": reason}
			if err := at.call(cmd.Context(), http.MethodPost, "/v1/pauses", members, &s); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", s.System, s.Text)
			return nil
		},
	}
	who.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, in your own words; it is kept sealed, and no place for a personnummer")
	return cmd
}

// A reteller has a system told again.
type reteller struct {
	workFlags
	dir          *string
	since, until string
	yes          bool
}

func retellCommand(dir *string) *cobra.Command {
	r := reteller{dir: dir}
	cmd := &cobra.Command{
		Use: "retell SYSTEM", Short: "Have a system told again what it was told in a period, once it has been counted", Args: cobra.ExactArgs(1),
		Long: `Have a system told again what it was told in a period, of your municipalities' cases: a platform
or a webhook that has lost it. The period says where it begins for a case: what was told of the
same case since goes again too, in order, so that the system ends where the case is. It is counted
first, and told again after a yes. Each telling has the key that it had, so that a system which has
it already can know it again. Mail and messages are not told again, since people would read them
twice. Documents are never delivered again.`,
		Example: `  knutpunkt systems retell shared.portal --as NAME --since "2026-11-20 08:00" --until "2026-11-21 12:00"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	r.register(cmd)
	f := cmd.Flags()
	f.StringVar(&r.since, "since", "", `when the period begins, in Swedish time, such as "2026-11-20 08:00"`)
	f.StringVar(&r.until, "until", "", "when it ends; left out for now")
	f.BoolVar(&r.yes, "yes", false, "do not ask")
	return cmd
}

// A retold is how much it is about.
type retold struct {
	From, Until time.Time
	Tellings    int
	Text        string
}

// run counts first, and goes on after a yes.
func (r *reteller) run(ctx context.Context, w io.Writer, system string) error {
	if r.since == "" {
		return usage{errors.New(`--since says when the period begins, such as "2026-11-20 08:00"`)}
	}
	members := map[string]any{"system": system}
	for flag, said := range map[string]struct{ member, text string }{"since": {"from", r.since}, "until": {"until", r.until}} {
		t, err := swedishTime(flag, said.text)
		if err != nil {
			return err
		}
		members[said.member] = t
	}
	at, err := r.open(*r.dir)
	if err != nil {
		return err
	}
	var counted, done retold
	if err := at.call(ctx, http.MethodPost, "/v1/retellings", members, &counted); err != nil {
		return err
	}
	fmt.Fprintf(w, "Från %s till %s: %s.\n", swedish(counted.From), swedish(counted.Until), counted.Text)
	if counted.Tellings == 0 || !r.yes && !asksYes("Ska allt berättas igen?") {
		return nil
	}
	members["until"], members["expect"] = counted.Until, counted.Tellings
	if err := at.call(ctx, http.MethodPost, "/v1/retellings", members, &done); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: berättas igen.\n", done.Text)
	return nil
}
