package verbs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A decider is one of the commands by which people decide about what rests with them.
type decider struct {
	workFlags
	dir    *string
	reason string
	verb   hub.Verb

	number           string // of a waive
	unasked, anew    bool   // of a release
	all, yes         bool
	held, system, at string // what --all is narrowed to
}

// decisionCommands are release, waive, withdraw, reject and approve. dir is the folder of
// the configuration.
func decisionCommands(dir *string) []*cobra.Command {
	return []*cobra.Command{
		releaseCommand(dir), waiveCommand(dir),
		plainCommand(dir, hub.Withdraw, "withdraw FORM…", "Take forms back for who sent them, as long as nothing has been sent on"),
		plainCommand(dir, hub.Dismiss, "reject FORM…", "Reject forms that are not to be processed; another person approves it"),
		approveCommand(dir),
	}
}

func releaseCommand(dir *string) *cobra.Command {
	d := decider{dir: dir, verb: hub.Release}
	cmd := d.command("release [KEY…]", "Try again: forms from the beginning, deliveries once more", `Try again with what rests: a form from the beginning, a delivery once more, under the same key
and with the same bytes. Where it may have been taken already the system is asked first; where
nobody can be asked, another person approves it.

With --all, everything that rests for one reason is counted, and after a yes tried again.`)
	f := cmd.Flags()
	f.BoolVar(&d.unasked, "without-asking", false, "send without asking the system first whether it has it; another person approves it")
	f.BoolVar(&d.anew, "anew", false, "make the document by the route and mapping as they are now")
	f.BoolVar(&d.all, "all", false, "all that rests for the reason that --held names")
	f.StringVar(&d.held, "held", "", "with --all: the reason, such as mapping-error")
	f.StringVar(&d.system, "system", "", "with --all: only deliveries to this system, such as karlskrona.diarium")
	f.StringVar(&d.at, "municipality", "", "with --all: only of this municipality, such as 1080")
	f.BoolVar(&d.yes, "yes", false, "with --all: do not ask")
	return cmd
}

func waiveCommand(dir *string) *cobra.Command {
	d := decider{dir: dir, verb: hub.Waive}
	cmd := d.command("waive KEY…", "Note that it was registered by hand, or is not needed; another person approves it",
		`Note that what rests was registered by hand, or is not needed. Nothing more is sent. Another
person approves it. With a number it is as if the system had given its receipt.`)
	cmd.Flags().StringVar(&d.number, "number", "", "under which it was registered by hand, such as \"SBN 2026/17\"")
	return cmd
}

func plainCommand(dir *string, verb hub.Verb, use, short string) *cobra.Command {
	d := decider{dir: dir, verb: verb}
	return d.command(use, short, short+".")
}

func (d *decider) command(use, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, RunE: func(cmd *cobra.Command, keys []string) error {
		return d.run(cmd.Context(), cmd.OutOrStdout(), keys)
	}}
	d.workFlags.register(cmd)
	cmd.Flags().StringVar(&d.reason, "reason", "", "why, in your own words; it is kept sealed, and no place for a personnummer")
	return cmd
}

func (d *decider) run(ctx context.Context, w io.Writer, keys []string) error {
	switch {
	case d.reason == "":
		return usage{errors.New("--reason TEXT says why")}
	case d.all && (len(keys) > 0 || d.held == ""):
		return usage{errors.New("--all goes with --held REASON, and with no keys")}
	case d.all && !slices.Contains(hub.Reasons, hub.Reason(d.held)):
		return usage{fmt.Errorf("nothing is held for %s", d.held)}
	case !d.all && len(keys) == 0:
		return usage{errors.New("name what is meant by its key, as knutpunkt deliveries list and show have it")}
	}
	at, err := d.open(*d.dir)
	if err != nil {
		return err
	}
	if d.all {
		return d.decideAll(ctx, at, w)
	}
	failed := false
	for _, key := range keys {
		o, err := at.decide(ctx, d.decision(key))
		if err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %s\n", key, err)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", key, o.Text)
	}
	if failed {
		return told(exitFailed)
	}
	return nil
}

func (d *decider) decision(key string) map[string]any {
	members := map[string]any{"key": key, "verb": d.verb, "reason": d.reason}
	if d.number != "" {
		members["number"] = d.number
	}
	if d.unasked {
		members["unasked"] = true
	}
	if d.anew {
		members["anew"] = true
	}
	return members
}

// decideAll counts first, and goes on after a yes.
func (d *decider) decideAll(ctx context.Context, at *workplace, w io.Writer) error {
	filter := url.Values{"reason": {d.held}}
	if d.system != "" {
		filter.Set("system", d.system)
	}
	if d.at != "" {
		filter.Set("municipality", d.at)
	}
	rows, err := at.held(ctx, filter)
	if err != nil {
		return err
	}
	waiting := len(rows)
	rows = slices.DeleteFunc(rows, func(r heldRow) bool { return r.Proposal != nil })
	waiting -= len(rows)
	fmt.Fprintln(w, countText(rows, d.held, waiting))
	if len(rows) == 0 || !d.yes && !asksYes("Ska alla försökas igen?") {
		return nil
	}
	var again, proposed, failed int
	for _, r := range rows {
		switch o, err := at.decide(ctx, d.decision(string(r.Key))); {
		case err != nil:
			failed++
			fmt.Fprintf(os.Stderr, "%s: %s\n", r.Key, err)
		case o.Outcome == "proposed":
			proposed++
		default:
			again++
		}
	}
	fmt.Fprintf(w, "%d tas om, %d väntar på en andra person, %d gick inte.\n", again, proposed, failed)
	if failed > 0 {
		return told(exitFailed)
	}
	return nil
}

// countText says how much it is about, before anything is done.
func countText(rows []heldRow, reason string, waiting int) string {
	cases, municipalities := map[hub.CaseID]bool{}, map[hub.Municipality]bool{}
	for _, r := range rows {
		cases[r.Case], municipalities[r.Municipality] = true, true
	}
	text := count(len(cases), "ärende", "ärenden") + " i " + count(len(municipalities), "kommun", "kommuner") + " vilar (" + reason + ")."
	if waiting > 0 {
		text += fmt.Sprintf(" Dessutom väntar %d redan på en andra person.", waiting)
	}
	return text
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + many
}

// asksYes asks on the terminal. Where there is none the answer is no.
func asksYes(question string) bool {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintln(os.Stderr, "Inget är gjort: det finns ingen terminal att fråga på. Lägg till --yes.")
		return false
	}
	fmt.Fprintf(os.Stderr, "%s [j/N] ", question)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "j", "ja", "y", "yes":
		return true
	}
	return false
}

func approveCommand(dir *string) *cobra.Command {
	d := decider{dir: dir}
	cmd := &cobra.Command{
		Use: "approve KEY", Short: "Approve what another person has proposed", Args: cobra.ExactArgs(1),
		Long: `Approve what another person has proposed. What is approved, and why it was proposed, is shown
first; on a terminal it is asked about. Who proposed it cannot approve it.`,
		RunE: func(cmd *cobra.Command, keys []string) error {
			if d.reason == "" {
				return usage{errors.New("--reason TEXT says why")}
			}
			return d.approve(cmd.Context(), cmd.OutOrStdout(), hub.Key(keys[0]))
		},
	}
	d.workFlags.register(cmd)
	cmd.Flags().StringVar(&d.reason, "reason", "", "why, in your own words; it is kept sealed, and no place for a personnummer")
	cmd.Flags().BoolVar(&d.yes, "yes", false, "do not ask")
	return cmd
}

func (d *decider) approve(ctx context.Context, w io.Writer, key hub.Key) error {
	at, err := d.open(*d.dir)
	if err != nil {
		return err
	}
	f, err := at.file(ctx, key)
	if err != nil {
		return err
	}
	row := f.row(key)
	if row == nil || row.Proposal == nil {
		return fmt.Errorf("%s: inget väntar på en andra person", key)
	}
	p := row.Proposal
	fmt.Fprintf(w, "%s: %s föreslog %s: %s. Skäl: %s\n", key, p.By, swedish(p.At), p.Text, reasonOf(f.Acts, key, p.By, p.Verb))
	if term.IsTerminal(int(os.Stdin.Fd())) && !d.yes && !asksYes("Godkänn?") {
		return nil
	}
	o, err := at.approve(ctx, key, p.At, d.reason)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	fmt.Fprintf(w, "%s: %s\n", key, o.Text)
	return nil
}

// reasonOf gives why somebody proposed something: she may have done so several times.
func reasonOf(acts []hub.Act, k hub.Key, by string, verb hub.Verb) string {
	for _, a := range slices.Backward(acts) {
		if a.Key == k && a.By == by && a.What == "proposed "+string(verb) {
			return a.Reason
		}
	}
	return "-"
}
