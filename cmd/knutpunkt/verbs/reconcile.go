package verbs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// reconcileOptions are the flags of reconcile.
type reconcileOptions struct {
	dir, store string
	day        string
	days       int
	asJSON     bool
	ask        bool
	who        workFlags
}

func reconcileCommand() *cobra.Command {
	var o reconcileOptions
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Hold what was sent in against what was received, and that against what the systems have",
		Long: `Hold what citizens sent in at the platforms against what was received, and what was received
against what each system has taken, for each e-service and day (avstämning). Every form that is
not where it should be is named, with who has to do something about it. It reads beside a hub
that runs. With --ask the hub first asks the platforms that can be asked.

Exit code 1 when something that was sent has not been received, or something is unexplained.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "config", ".", "the folder of the configuration")
	f.StringVar(&o.store, "store", "", "where everything is kept, such as sqlite:data/knutpunkt.db")
	f.StringVar(&o.day, "day", "", "the last day, YYYY-MM-DD in Swedish time; left out: today")
	f.IntVar(&o.days, "days", 2, "how many days")
	f.BoolVar(&o.asJSON, "json", false, "print it as JSON")
	f.BoolVar(&o.ask, "ask", false, "have the hub ask the platforms first; needs --as")
	o.who.register(cmd)
	return cmd
}

// mostDays is how many days can be reconciled at a time.
const mostDays = 400

func (o reconcileOptions) run(ctx context.Context, out io.Writer) error {
	last := hub.Date(cmp.Or(o.day, string(hub.DayOf(time.Now()))))
	if _, _, err := last.Bounds(); err != nil {
		return usage{errors.New("--day is a day, YYYY-MM-DD")}
	}
	if o.days < 1 || o.days > mostDays {
		return usage{fmt.Errorf("--days is 1 to %d", mostDays)}
	}
	if err := o.askFirst(ctx, last); err != nil {
		return err
	}
	balances, err := o.read(ctx, last)
	if err != nil {
		return err
	}
	if o.asJSON {
		text, err := json.MarshalIndent(append([]hub.Balance{}, balances...), "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(out, string(text))
	} else {
		printBalances(out, balances)
	}
	if !inOrder(balances) {
		return told(exitFailed)
	}
	return nil
}

// askFirst has the hub ask about each of the days.
func (o reconcileOptions) askFirst(ctx context.Context, last hub.Date) error {
	if !o.ask {
		return nil
	}
	at, err := o.who.open(o.dir)
	if err != nil {
		return err
	}
	for n := range o.days {
		var answer struct{ Day hub.Date }
		if err := at.call(ctx, http.MethodPost, "/v1/reconciliation", map[string]any{"day": last.Before(n)}, &answer); err != nil {
			return err
		}
	}
	return nil
}

// read makes the balances out of the store, the latest day first, by the configuration
// that is active there.
func (o reconcileOptions) read(ctx context.Context, last hub.Date) ([]hub.Balance, error) {
	s, err := openReader(ctx, o.dir, (&overrides{store: o.store}).list())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	archive, err := s.Bundle(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("read the active configuration: %w", err)
	}
	bundle, err := config.Open(archive)
	if err != nil {
		return nil, err
	}
	tells, err := whoTells(o.dir)
	if err != nil {
		return nil, err
	}
	var all []hub.Balance
	for n := range o.days {
		balances, err := hub.Balances(ctx, s, bundle, tells, last.Before(n))
		if err != nil {
			return nil, err
		}
		all = append(all, balances...)
	}
	return all, nil
}

// whoTells finds the systems whose words have a table, which are expected to say what
// becomes of a case.
func whoTells(dir string) (func(hub.SystemID) bool, error) {
	systems, err := config.Systems(dir, connectors.All)
	if err != nil {
		return nil, err
	}
	tells := map[hub.SystemID]bool{}
	for _, s := range systems {
		tells[s.ID] = len(s.Words) > 0
	}
	return func(id hub.SystemID) bool { return tells[id] }, nil
}

// inOrder reports whether all that was sent has been received, and everything is explained.
func inOrder(balances []hub.Balance) bool {
	for _, b := range balances {
		if b.Unexplained > 0 || b.Count(hub.NotReceived) > 0 {
			return false
		}
	}
	return true
}

// gapWords say what a gap is.
var gapWords = map[hub.GapKind]string{
	hub.NotReceived: "sent, and not received", hub.Resting: "held", hub.Doubled: "made anew, and both may be there",
	hub.Surplus: "received, and not sent that day according to the platform", hub.WaitsFor: "waits to be delivered",
	hub.OnItsWay: "received, and not planned yet", hub.Unconfirmed: "delivered, and nothing heard of since",
	hub.OtherDay: "sent that day, and received on another", hub.EarlierDay: "received that day, and sent before", hub.ByHand: "registered by hand",
	hub.WithoutNumber: "seen to by hand, without a number", hub.TakenBack: "withdrawn", hub.TurnedAway: "rejected", hub.Forgotten: "purged",
}

// printBalances prints the sums of each balance, its open gaps one by one, and the others
// as numbers.
func printBalances(w io.Writer, balances []hub.Balance) {
	unexplained, open := 0, 0
	for _, b := range balances {
		fmt.Fprintf(w, "%s  %s  %s  service %s\n", b.Day, cmp.Or(string(b.Municipality), "no municipality yet"), b.Source, b.Service)
		fmt.Fprintf(w, "  sent %s, received %d (%d for the first time)\n", sentText(b), b.Received, b.Begun)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, l := range b.Legs {
			fmt.Fprintf(table, "  %s to %s\t%d of %d accepted", l.Leg, l.System, l.Accepted, l.Forms)
			if l.Tells {
				fmt.Fprintf(table, ", %d confirmed", l.Confirmed)
			}
			fmt.Fprintln(table)
		}
		table.Flush()
		for _, g := range b.Gaps {
			if g.Kind.IsOpen() {
				open += g.Count
				fmt.Fprintln(w, "  ! "+gapLine(g))
			}
		}
		for _, k := range hub.GapKinds {
			if n := b.Count(k); n > 0 && !k.IsOpen() {
				fmt.Fprintf(w, "  %d %s\n", n, gapWords[k])
			}
		}
		if b.Unexplained > 0 {
			fmt.Fprintf(w, "  ! %d UNEXPLAINED\n", b.Unexplained)
		}
		unexplained += b.Unexplained
	}
	fmt.Fprintf(w, "%s, %s, %d unexplained\n", many(len(balances), "balance", "balances"), many(open, "open gap", "open gaps"), unexplained)
}

func sentText(b hub.Balance) string {
	if !b.Told {
		return "nobody has said"
	}
	return fmt.Sprint(b.Sent)
}

// gapLine tells of one gap: what it is, which form it is about, and who is to do something.
func gapLine(g hub.Gap) string {
	line := gapWords[g.Kind]
	if g.Reason != "" {
		line += " " + string(g.Reason)
	}
	if g.Count > 1 {
		line = fmt.Sprintf("%d %s", g.Count, line)
	}
	for _, name := range []string{string(g.Key), g.Ref} {
		if name != "" {
			line += "  " + name
		}
	}
	if !g.Since.IsZero() {
		line += "  since " + swedish(g.Since)
	}
	return strings.TrimSpace(line + "  → " + ownerWords(g.Owner))
}

func ownerWords(o hub.Owner) string {
	switch o.Who {
	case hub.ThePlatform, hub.TheSystem:
		return "whoever looks after " + o.Name
	case hub.TheRoute:
		return o.Name
	}
	return "the operations of Knutpunkt"
}

// reconcileToday asks the platforms of a running installation what they sent today, until
// they have said, and prints today's balances. It gives an error when something is missing
// or unexplained.
func reconcileToday(ctx context.Context, in *installation) error {
	today := hub.DayOf(seam.clock())
	for {
		err := in.hub.Count(ctx, today)
		if err == nil || errors.Is(err, hub.ErrCannotTell) {
			break
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
	balances, err := in.hub.Reconciliation(ctx, today, today)
	if err != nil {
		return err
	}
	printBalances(os.Stdout, balances)
	if !inOrder(balances) {
		return errors.New("the day does not add up")
	}
	return nil
}
