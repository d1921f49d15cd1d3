package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub"
)

func wordsCommand() *cobra.Command {
	var dir string
	var municipality string
	var who workFlags
	cmd := &cobra.Command{
		Use:   "words",
		Short: "List the words of systems that nobody has translated, with the line to add",
		Long: `List the words that systems have used of cases and that words: in systems.yaml lacks, with
the line to add. Such a word leaves its cases where they are. When the table is mended and
knutpunkt is started again, the reports that wait are heard. A word may say anything, so the
hub tells it to an operator only (--as).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if municipality != "" && len(municipality) != 4 {
				return usage{errors.New("--municipality is a kommunkod of four digits, such as 1080")}
			}
			at, err := who.open(dir)
			if err != nil {
				return err
			}
			list, err := at.words(cmd.Context())
			if err != nil {
				return err
			}
			if municipality != "" {
				list.Words = slices.DeleteFunc(list.Words, func(w word) bool { return w.Municipality != hub.Municipality(municipality) })
			}
			list.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "config", ".", "the folder of the configuration")
	cmd.Flags().StringVar(&municipality, "municipality", "", "only the systems of the municipality with this kommunkod")
	who.register(cmd)
	return cmd
}

// A word is one that a system uses and nobody has translated, as the workplace is told of it.
type word struct {
	System       hub.SystemID
	Municipality hub.Municipality
	Word         string
	Cases        int
	First, Last  time.Time
	File, Line   string
}

// A wordList is all of them, and the steps that they can mean.
type wordList struct {
	Words []word
	Steps []string
}

func (d *workplace) words(ctx context.Context) (list wordList, err error) {
	return list, d.call(ctx, http.MethodGet, "/v1/words", nil, &list)
}

func (list wordList) print(w io.Writer) {
	if len(list.Words) == 0 {
		fmt.Fprintln(w, "every word is translated")
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SYSTEM\tWORD\tCASES\tFIRST\tLAST\tTO ADD UNDER words:\tIN")
	for _, word := range list.Words {
		_, name, _ := strings.Cut(string(word.System), ".")
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s, %s\n", word.System, orDash(visible(word.Word)), word.Cases,
			swedish(word.First), swedish(word.Last), orDash(visible(word.Line)), word.File, name)
	}
	table.Flush()
	fmt.Fprintf(w, "STEG is one of: %s\n", strings.Join(list.Steps, ", "))
}

// visible keeps what a system wrote from being obeyed by a terminal.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
