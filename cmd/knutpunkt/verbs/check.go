package verbs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

func checkCommand() *cobra.Command {
	var update bool
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Find what is wrong with a configuration, before any citizen does",
		Long: `Find everything that can be known to be wrong with the routes, mappings, schemas and
systems in a folder: misspelt keys and names, form fields that no form has, mappings
whose tests fail. Each problem is a line "file:line: text". Nothing is called and no
secret is needed.

Exit code 0 when there are no problems, 1 when there are.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if _, err := os.Stat(dir); err != nil {
				return usage{fmt.Errorf("%s is no folder", dir)}
			}
			if update {
				if err := rewriteTests(dir); err != nil {
					return err
				}
			}
			problems := config.Check(os.DirFS(dir), connectors.All)
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if len(problems) > 0 {
				return told(exitFailed)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "No problems.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "first write what each mapping makes of its test cases as what is wanted; read the difference before you keep it")
	return cmd
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
