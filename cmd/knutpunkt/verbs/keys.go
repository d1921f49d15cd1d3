package verbs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and change the keys that personal data are sealed with",
		Long: `Make and change the keys that personal data are sealed with.

Whoever has both the database and the keys can read everything, and without the keys
nobody can: keep a copy of the key file, and keep it apart from the database's copies.`,
	}
	var dir string
	cmd.PersistentFlags().StringVar(&dir, "config", ".", "the folder of the configuration")
	cmd.AddCommand(
		&cobra.Command{
			Use: "init", Short: "Make the key file, with a key for each municipality under routes/", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return keysInit(cmd, dir) },
		},
		&cobra.Command{
			Use: "add KOMMUNKOD…", Short: "Make keys for more municipalities", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, codes []string) error {
				return withKeys(dir, func(path string) error { return seal.Add(path, codes...) })
			},
		},
		&cobra.Command{
			Use: "rotate KOMMUNKOD", Short: "Seal new forms of a municipality with a new key; the old one still opens", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, codes []string) error {
				return withKeys(dir, func(path string) error { return seal.Rotate(path, codes[0]) })
			},
		},
	)
	return cmd
}

func keysInit(cmd *cobra.Command, dir string) error {
	return withKeys(dir, func(path string) error {
		codes, err := municipalities(dir)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := seal.Init(path, codes...); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Made %s. Keep a copy apart from the database's copies.\n", path)
		return nil
	})
}

// withKeys finds where the configuration in dir keeps its keys.
func withKeys(dir string, do func(path string) error) error {
	s, err := config.ReadSettings(dir, config.Environment(os.Environ())...)
	if err != nil {
		return err
	}
	return do(s.Keys)
}

// municipalities gives the kommunkoder of a configuration.
func municipalities(dir string) ([]string, error) {
	archive, err := config.Read(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	bundle, err := config.Open(archive)
	if err != nil {
		return nil, err
	}
	var codes []string
	for code := range bundle.Municipalities {
		codes = append(codes, string(code))
	}
	return codes, nil
}
