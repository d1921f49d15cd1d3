package verbs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

func editorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "editor [DIR]",
		Short: "Teach a YAML editor the files of a configuration, so that it completes and underlines",
		Long: `Write JSON Schemas of the files that a configuration is made of to DIR/.knutpunkt, and,
unless there is one, DIR/.vscode/settings.json, by which Visual Studio Code (with the
YAML extension of Red Hat) finds them. Other editors that speak with the
yaml-language-server find one by a line at the top of a file.

The schemas know the keys, and what each is for. What names and expressions mean is
known to knutpunkt check alone. Run it again after an upgrade. Neither folder is part
of what Knutpunkt runs.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if _, err := os.Stat(dir); err != nil {
				return usage{fmt.Errorf("%s is no folder", dir)}
			}
			schemas, err := config.EditorSchemas(connectors.All)
			if err != nil {
				return err
			}
			if err := writeSchemas(dir, schemas); err != nil {
				return err
			}
			ours, err := writeEditorSettings(dir, schemas)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d schemas are in %s.\n", len(schemas), filepath.Join(dir, schemaFolder))
			if ours {
				fmt.Fprintln(cmd.OutOrStdout(), "Visual Studio Code finds them by .vscode/settings.json, when it has the extension redhat.vscode-yaml and this folder open.")
			} else {
				fmt.Fprintln(cmd.OutOrStdout(), "There is a .vscode/settings.json already, and it is left as it is. It should hold:")
				cmd.OutOrStdout().Write(editorSettings(schemas))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Other editors find one by the first line of a file, here of a route:\n"+
				"# yaml-language-server: $schema=../../%s\n", schemaFile("route"))
			return nil
		},
	}
}

// schemaFolder is where schemas lie, in the folder of a configuration.
const schemaFolder = ".knutpunkt"

func schemaFile(name string) string { return schemaFolder + "/" + name + ".schema.json" }

func writeSchemas(dir string, schemas []config.EditorSchema) error {
	if err := os.MkdirAll(filepath.Join(dir, schemaFolder), 0o755); err != nil {
		return err
	}
	for _, s := range schemas {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(schemaFile(s.Name))), s.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeEditorSettings writes .vscode/settings.json, and reports whether the one that is
// there is ours. Another's is left as it is.
func writeEditorSettings(dir string, schemas []config.EditorSchema) (ours bool, err error) {
	name := filepath.Join(dir, ".vscode", "settings.json")
	there, err := os.ReadFile(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return bytes.Equal(there, editorSettings(schemas)), err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return false, err
	}
	return true, os.WriteFile(name, editorSettings(schemas), 0o644)
}

// editorSettings tell Visual Studio Code which schema is for which files.
func editorSettings(schemas []config.EditorSchema) []byte {
	type association struct {
		Files  []string `json:"fileMatch"`
		Schema string   `json:"url"`
	}
	settings := struct {
		YAML map[string][]string `json:"yaml.schemas"`
		JSON []association       `json:"json.schemas"`
	}{YAML: map[string][]string{}}
	for _, s := range schemas {
		if s.YAML {
			settings.YAML["./"+schemaFile(s.Name)] = s.Files
		} else {
			settings.JSON = append(settings.JSON, association{s.Files, "./" + schemaFile(s.Name)})
		}
	}
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		panic(err) // it is made of texts
	}
	return append(text, '\n')
}
