package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub"
)

func deliveriesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "See what is where, and decide about what rests",
		Long: `See what is where: which forms have come in, how far each delivery has come, and what
rests with a person. list and show read beside a hub that runs, and show ids and references
only. The others decide about what rests: they talk to the hub that runs, as one of the
operators in knutpunkt.yaml, with a reason, and what takes two persons takes two.`,
	}
	var dir, storeFlag string
	cmd.PersistentFlags().StringVar(&dir, "config", ".", "the folder of the configuration")
	cmd.PersistentFlags().StringVar(&storeFlag, "store", "", "where everything is kept, such as sqlite:data/knutpunkt.db or postgres://USER@HOST/DATABASE")
	reader := func(ctx context.Context) (hub.Store, error) {
		return openReader(ctx, dir, (&overrides{store: storeFlag}).list())
	}
	cmd.AddCommand(listDeliveries(reader), showDelivery(reader, &dir))
	cmd.AddCommand(decisionCommands(&dir)...)
	return cmd
}

type storeReader func(context.Context) (hub.Store, error)

func listDeliveries(reader storeReader) *cobra.Command {
	var f hub.Filter
	var state, reason, after string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List forms with their deliveries, newest last",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := reader(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			f.State, f.Reason, f.After = hub.State(strings.ToUpper(state)), hub.Reason(reason), hub.ID(after)
			lines, err := s.List(cmd.Context(), hub.AsHub(), f)
			if err != nil {
				return err
			}
			printLines(cmd.OutOrStdout(), lines, f.Limit)
			return nil
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only with this state, of the form or of a delivery, such as HELD")
	cmd.Flags().StringVar(&reason, "reason", "", "only what is held for this reason, such as no-route")
	cmd.Flags().StringVar(&after, "after", "", "only what came in after this form")
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "how many at the most")
	return cmd
}

func printLines(w io.Writer, lines []hub.Line, limit int) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FORM\tRECEIVED\tMUNICIPALITY\tSERVICE\tSTEP\tSTATE\tDELIVERIES")
	for _, l := range lines {
		var ds []string
		for _, d := range l.Deliveries {
			if d.Kind == hub.DocumentKind || d.State == hub.Held {
				ds = append(ds, d.Leg+" "+standing(d))
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Submission.Submission, swedish(l.Received),
			l.Case.Municipality, l.Case.Service, l.Case.Step, standing(l.Submission), strings.Join(ds, ", "))
	}
	table.Flush()
	if limit > 0 && len(lines) == limit {
		fmt.Fprintf(w, "There may be more: --after %s\n", lines[len(lines)-1].Submission.Submission)
	}
}

// standing says in a word or two how a row stands.
func standing(p hub.Progress) string {
	switch {
	case p.Reason != "":
		return string(p.State) + " " + string(p.Reason)
	case p.Receipt != nil:
		return string(p.State) + " " + p.Receipt.Number
	}
	return string(p.State)
}

// swedish writes a time as it is in Sweden, to the second.
func swedish(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(hub.Stockholm).Format(time.DateTime)
}

func showDelivery(reader storeReader, dir *string) *cobra.Command {
	var who workFlags
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one form, or one delivery by its key, with its attempts and who has decided what",
		Long: `Show one form, or one delivery by its key, with its attempts and who has decided what. Why
they did is kept sealed, since people may write anything: the hub tells it to an operator (--as).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := reader(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			id, _, _ := strings.Cut(args[0], "-")
			c, err := s.CaseOf(cmd.Context(), hub.AsHub(), hub.ID(id))
			if errors.Is(err, hub.ErrNotFound) {
				return fmt.Errorf("there is no form with the id %s", id)
			}
			if err != nil {
				return err
			}
			if err := showCase(cmd.Context(), cmd.OutOrStdout(), s, c, hub.Key(args[0]), hub.ID(id)); err != nil {
				return err
			}
			acts, err := actsOf(cmd.Context(), s, c, hub.Key(args[0]), *dir, who)
			printActs(cmd.OutOrStdout(), acts)
			return err
		},
	}
	who.register(cmd)
	return cmd
}

// actsOf gives what the audit log tells of a case, or of one of its deliveries. Reasons
// are in it only when the hub itself tells them, to somebody whom it knows.
func actsOf(ctx context.Context, s hub.Store, c hub.Case, key hub.Key, dir string, who workFlags) ([]hub.Act, error) {
	var acts []hub.Act
	if who.as == "" {
		var err error
		if acts, err = s.Acts(ctx, hub.AsHub(), c.ID); err != nil {
			return nil, err
		}
		for i := range acts {
			acts[i].Reason = ""
		}
	} else {
		at, err := who.open(dir)
		if err != nil {
			return nil, err
		}
		f, err := at.file(ctx, key)
		if err != nil {
			return nil, err
		}
		acts = f.Acts
	}
	return slices.DeleteFunc(acts, func(a hub.Act) bool { return strings.Contains(string(key), "-") && a.Key != key }), nil
}

func printActs(w io.Writer, acts []hub.Act) {
	for _, a := range acts {
		fmt.Fprintf(w, "%s  %s  %s  %s", swedish(a.At), a.Key, a.What, orDash(a.Note))
		if a.By != "" {
			fmt.Fprintf(w, "  by %s", a.By)
		}
		if a.Reason != "" {
			fmt.Fprintf(w, ": %s", a.Reason)
		}
		fmt.Fprintln(w)
	}
}

// showCase prints the row that was asked for: a form with all of its deliveries, or
// one delivery.
func showCase(ctx context.Context, w io.Writer, s hub.Store, c hub.Case, key hub.Key, id hub.ID) error {
	fmt.Fprintf(w, "case %s  municipality %s  service %s  step %s since %s\n", c.ID, c.Municipality, c.Service, c.Step, swedish(c.StepAt))
	if c.Ref != "" {
		fmt.Fprintf(w, "reference %s\n", c.Ref)
	}
	for _, p := range c.Submissions {
		if p.Submission == id {
			printProgress(w, "form", p)
		}
	}
	for _, d := range c.Deliveries {
		if d.Submission != id || (key != hub.Key(id) && key != d.Key) {
			continue
		}
		printProgress(w, string(d.Kind)+" to "+string(d.System), d)
		attempts, err := s.Attempts(ctx, hub.AsHub(), d.Key)
		if err != nil {
			return err
		}
		for _, a := range attempts {
			fmt.Fprintf(w, "    attempt %d  %s – %s  %s  %s\n", a.N, swedish(a.Started), swedish(a.Ended), orDash(string(a.Answer)), a.Note)
		}
	}
	return nil
}

func printProgress(w io.Writer, what string, p hub.Progress) {
	fmt.Fprintf(w, "%s  %s\n    %s since %s", p.Key, what, standing(p), swedish(p.Since))
	if !p.Due.IsZero() && p.Reason == "" && !p.Settled() {
		fmt.Fprintf(w, ", due %s", swedish(p.Due))
	}
	if p.Operation != "" {
		fmt.Fprintf(w, "  (%s, %s)", p.Operation, p.Level)
	}
	fmt.Fprintln(w)
	if p.Note != "" {
		fmt.Fprintf(w, "    %s\n", p.Note)
	}
	if d := p.Proposal; d != nil {
		fmt.Fprintf(w, "    %s proposed at %s: %s %s; another person must approve it\n", d.By, swedish(d.At), d.Verb, d.Number)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
