package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
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
}
