package verbs

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
)

func connectorsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "connectors [NAME]",
		Short:             "List the kinds of system that can be connected, or explain one, field by field",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeConnectors,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				listConnectors(cmd.OutOrStdout())
				return nil
			}
			c, err := connectorCalled(args[0])
			if err == nil {
				explain(cmd.OutOrStdout(), c)
			}
			return err
		},
	}
	cmd.AddCommand(certifyCommand(), newConnectorCommand())
	return cmd
}

func completeConnectors(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return connectorNames(), cobra.ShellCompDirectiveNoFileComp
}

func connectorNames() []string {
	var names []string
	for _, c := range connectors.All {
		names = append(names, c.Name)
	}
	return names
}

func listConnectors(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range connectors.All {
		fmt.Fprintf(table, "%s\t%s\n", c.Name, c.Summary)
	}
	table.Flush()
}

func explain(w io.Writer, c hub.Connector) {
	fmt.Fprintf(w, "%s: %s\n\n", c.Name, c.Summary)
	if len(c.Fields) == 0 {
		fmt.Fprintln(w, "Its entry in systems.yaml needs nothing but the connector's name.")
		return
	}
	fmt.Fprintln(w, "Its entry in systems.yaml, field by field:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range c.Fields {
		must := "may be left out"
		if f.Required {
			must = "must be there"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", f.Name, f.Type, must, f.Doc)
	}
	table.Flush()
}
