package verbs

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

func tryCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "try MAPPING CASE",
		Short: "Print the document that a mapping makes of one of its test cases; nothing is sent",
		Long: `Print the document that a mapping makes of one of the cases in its .test folder. Nothing
is sent anywhere.

  knutpunkt try mappings/diarium/arende altan`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			fsys := os.DirFS(dir)
			name := strings.TrimSuffix(strings.TrimPrefix(path.Clean(args[0]), "mappings/"), ".yaml")
			m, problems := mapping.Compile(fsys, "mappings/"+name+".yaml")
			if len(problems) > 0 {
				return config.Problems(problems)
			}
			cases := mapping.Cases(fsys, m)
			if !slices.Contains(cases, args[1]) {
				return usage{fmt.Errorf("%s has no case %s; it has %s", m.Path(), args[1], strings.Join(cases, ", "))}
			}
			known, err := mapping.ReadGiven(fsys, "mappings/"+name+".test/"+args[1]+"/given.json")
			if err != nil {
				return err
			}
			document, err := m.Render(known)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(mapping.Pretty(document))
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "config", ".", "the folder of the configuration")
	return cmd
}
