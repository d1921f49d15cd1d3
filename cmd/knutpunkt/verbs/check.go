package verbs

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

func checkCommand() *cobra.Command {
	var update, asJSON bool
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Find what is wrong with a configuration, before any citizen does",
		Long: `Find everything that can be known to be wrong with knutpunkt.yaml, routes, systems,
mappings and schemas in a folder, all at once: misspelt keys and names, form fields
that no form has, elements that a system's schema does not have or that it requires,
texts that it refuses, mappings whose tests fail, persons in tests who may be real.
The same is done at start-up. Nothing is called and no secret is needed.

Each problem is told as "FILE:LINE: what is wrong (column N)", with what was probably
meant; lines below it that begin with " | " show the place in an expression. With
--json the problems are one array of {"file", "line", "column", "text"}, where column
is 0 when it is not known: [] when nothing is wrong.

Exit code 0 when there are no problems, 1 when there are, 64 when DIR is no folder.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if about, err := os.Stat(dir); err != nil || !about.IsDir() {
				return usage{fmt.Errorf("%s is no folder", dir)}
			}
			if update {
				if err := rewriteTests(dir); err != nil {
					return err
				}
			}
			problems := config.Check(os.DirFS(dir), connectors.All)
			show := showProblems
			if asJSON {
				show = encodeProblems
			}
			if err := show(cmd.OutOrStdout(), problems); err != nil {
				return err
			}
			if len(problems) > 0 {
				return told(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "first write what each mapping makes of its test cases as what is wanted; read the difference before you keep it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "tell the problems as JSON, for editors and CI")
	return cmd
}

// atMostOne refuses a command line with more than one folder.
func atMostOne(cmd *cobra.Command, args []string) error {
	if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
		return usage{err}
	}
	return nil
}

func showProblems(out io.Writer, problems []mapping.Problem) error {
	if len(problems) == 0 {
		_, err := fmt.Fprintln(out, "No problems.")
		return err
	}
	for _, p := range problems {
		if _, err := fmt.Fprintln(out, p); err != nil {
			return err
		}
	}
	return nil
}

// encodeProblems writes what editors and CI read: names and order of the members are kept from
// release to release.
func encodeProblems(out io.Writer, problems []mapping.Problem) error {
	type problem struct {
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
		Text   string `json:"text"`
	}
	all := []problem{}
	for _, p := range problems {
		all = append(all, problem{p.File, p.Line, p.Column, p.Text})
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(all)
}

// rewriteTests writes want.xml or want.json beside every given.json of the mappings.
// A mapping with problems is left as it is, for the check to tell of.
func rewriteTests(dir string) error {
	fsys := os.DirFS(dir)
	files, err := fs.Glob(fsys, "mappings/*/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		m, problems := mapping.Compile(fsys, file)
		if len(problems) > 0 {
			continue
		}
		mapping.UpdateTests(fsys, m, func(path string, content []byte) error {
			return os.WriteFile(filepath.Join(dir, filepath.FromSlash(path)), content, 0o644)
		})
	}
	return nil
}
