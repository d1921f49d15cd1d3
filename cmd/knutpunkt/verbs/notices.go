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

func noticesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notices",
		Short: "Tell citizens of planned stops and the like",
		Long: `Tell citizens of planned stops and the like: a service notice (driftmeddelande) is written once
and shown on the pages of one municipality, or of all. list reads beside a hub that runs. The
others talk to the hub that runs, as one of the operators in knutpunkt.yaml, who writes for her
own municipalities; for all of them writes who has them all.`,
	}
	var dir, storeFlag string
	cmd.PersistentFlags().StringVar(&dir, "config", ".", "the folder of the configuration")
	cmd.PersistentFlags().StringVar(&storeFlag, "store", "", "where everything is kept, such as sqlite:data/knutpunkt.db or postgres://USER@HOST/DATABASE")
	reader := func(ctx context.Context) (hub.Store, error) {
		return openReader(ctx, dir, (&overrides{store: storeFlag}).list())
	}
	cmd.AddCommand(listNotices(reader), addNotice(&dir), endNotice(&dir))
	return cmd
}

func listNotices(reader storeReader) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the present and coming notices", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := reader(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			notices, err := s.Notices(cmd.Context(), time.Now())
			if err != nil {
				return err
			}
			printNotices(cmd.OutOrStdout(), notices)
			return nil
		},
	}
}

func printNotices(w io.Writer, notices []hub.Notice) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NOTICE\tMUNICIPALITY\tFROM\tUNTIL\tBY\tTEXT")
	for _, n := range notices {
		to := string(n.Municipality)
		if to == "" {
			to = "all"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", n.ID, to, swedish(n.From), swedish(n.Until), n.By, n.Swedish)
	}
	table.Flush()
}

// A noticed is what the hub answers when a notice is written.
type noticed struct {
	ID           string
	Municipality hub.Municipality
	From, Until  time.Time
}

func addNotice(dir *string) *cobra.Command {
	var who workFlags
	var at, swedishText, english, from, until string
	var all bool
	cmd := &cobra.Command{
		Use: "add", Short: "Show a notice to one municipality's citizens, or to all", Args: cobra.NoArgs,
		Example: `  knutpunkt notices add --as NAME --municipality 1080 --until "2026-11-22 20:00" \
    --text "Diariet är stängt för underhåll. Ärenden registreras när det öppnar."`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all == (at != "") {
				return usage{errors.New("--municipality CODE or --all says to whom")}
			}
			if all {
				at = "*"
			}
			members := map[string]any{"municipality": at, "swedish": swedishText, "english": english}
			for name, text := range map[string]string{"from": from, "until": until} {
				t, err := swedishTime(name, text)
				if err != nil {
					return err
				}
				members[name] = t
			}
			n, err := who.write(cmd.Context(), *dir, members)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s visas från %s till %s\n", n.ID, swedish(n.From), swedish(n.Until))
			return nil
		},
	}
	who.register(cmd)
	f := cmd.Flags()
	f.StringVar(&at, "municipality", "", "whose citizens, such as 1080")
	f.BoolVar(&all, "all", false, "everybody")
	f.StringVar(&swedishText, "text", "", "what it says, in Swedish: plain text, no personnummer")
	f.StringVar(&english, "english", "", "the same in English")
	f.StringVar(&from, "from", "", `when it begins to be shown, in Swedish time, such as "2026-11-22 18:00"; left out for at once`)
	f.StringVar(&until, "until", "", "when it is shown no longer")
	return cmd
}

func endNotice(dir *string) *cobra.Command {
	var who workFlags
	cmd := &cobra.Command{
		Use: "end NOTICE", Short: "Stop showing a notice", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := who.write(cmd.Context(), *dir, map[string]any{"id": args[0], "end": true})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s visas inte längre\n", n.ID)
			return nil
		},
	}
	who.register(cmd)
	return cmd
}

// write has the hub that runs store a notice.
func (f *workFlags) write(ctx context.Context, dir string, members map[string]any) (n noticed, err error) {
	at, err := f.open(dir)
	if err != nil {
		return n, err
	}
	return n, at.call(ctx, http.MethodPost, "/v1/notices", members, &n)
}

// swedishTime reads a time as it is written in Sweden, to the minute or the second, and
// gives it as the API has it; "" is none.
func swedishTime(flag, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	for _, form := range []string{"2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(form, text, hub.Stockholm); err == nil && t.Format(form) == text {
			return t.Format(time.RFC3339), nil
		}
	}
	return "", usage{fmt.Errorf(`--%s is a time in Sweden, such as "2026-11-22 20:00"`, flag)}
}
