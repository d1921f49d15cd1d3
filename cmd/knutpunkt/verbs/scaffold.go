package verbs

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	gotoken "go/token"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

func newConnectorCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a connector: a folder that compiles, and a test that says what to fill in",
		Long: `Begin a connector to a kind of system that no other knows: a folder with the connector, its
simulator, its README with an entry of systems.yaml, and its conformance test. All of it
compiles. The test fails, and says what is to be filled in next, until the connector can be
trusted with deliveries.

In a checkout of Knutpunkt the folder is connectors/NAME. With --dir it is a module of its own,
with a main of its own: a Knutpunkt that knows the connector too.

A system that has an HTTP interface usually needs no connector: see the connectors rest and
soap.`,
		Example: "  knutpunkt connectors new arendesystemet --dir ../arendesystemet",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := scaffoldFor(args[0], dir)
			if err != nil {
				return err
			}
			return s.run(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the folder of a module of its own")
	return cmd
}

// A scaffold is a connector that is begun.
type scaffold struct {
	Name     string
	Variable string // as environment variables are called
	Path     string // by which its package is imported
	folder   string // of the connector
	module   string // the folder of its module; "" in our own
	checkout string // the folder of Knutpunkt's own module; "" where there is none
}

const ourModule = "github.com/knutpunkt/knutpunkt"

var connectorName = regexp.MustCompile(`^[a-z][a-z0-9]{1,29}$`)

func scaffoldFor(name, dir string) (*scaffold, error) {
	switch {
	case !connectorName.MatchString(name) || gotoken.IsKeyword(name) || name == "main":
		return nil, usage{errors.New("a connector is called by 2 to 30 lower-case letters a–z and digits, beginning with a letter: its package is called the same")}
	case slices.Contains(connectorNames(), name):
		return nil, usage{fmt.Errorf("there is a connector called %s already", name)}
	}
	s := &scaffold{Name: name, Variable: strings.ToUpper(name), checkout: checkout()}
	if dir == "" {
		if s.checkout == "" {
			return nil, usage{errors.New("this is no checkout of Knutpunkt: say with --dir where the connector's own module is to be")}
		}
		s.Path, s.folder = ourModule+"/connectors/"+name, filepath.Join(s.checkout, "connectors", name)
	} else {
		full, err := filepath.Abs(dir)
		if err != nil {
			return nil, usage{fmt.Errorf("%s is no folder", dir)}
		}
		s.module, s.Path, s.folder = full, "example.com/"+filepath.Base(full)+"/"+name, filepath.Join(full, name)
	}
	if _, err := os.Stat(s.folder); err == nil {
		return nil, usage{fmt.Errorf("%s is there already", s.folder)}
	}
	return s, nil
}

// checkout finds the folder of Knutpunkt's own module, here or above; "" when there is none.
func checkout() string {
	here, err := os.Getwd()
	for ; err == nil; here = filepath.Dir(here) {
		text, err := os.ReadFile(filepath.Join(here, "go.mod"))
		if err == nil && bytes.HasPrefix(text, []byte("module "+ourModule+"\n")) {
			return here
		}
		if here == filepath.Dir(here) {
			break
		}
	}
	return ""
}

//go:embed scaffold
var templates embed.FS

func (s *scaffold) run(w io.Writer) error {
	files := map[string]string{ // by template
		"connector.go":      s.Name + "/" + s.Name + ".go",
		"connector_test.go": s.Name + "/" + s.Name + "_test.go",
		"README.md":         s.Name + "/README.md",
		"sim.go":            s.Name + "/" + s.Name + "sim/" + s.Name + "sim.go",
		"subject.go":        s.Name + "/" + s.Name + "sim/subject.go",
	}
	if s.module != "" {
		files["certificate.go"] = s.Name + "/certificate.go"
		files["certificate.json"] = s.Name + "/certificate.json"
		files["main.go"] = "main.go"
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, err := s.fill(name)
		if err != nil {
			return err
		}
		if err := s.write(w, files[name], text); err != nil {
			return err
		}
	}
	if s.module != "" {
		if err := s.beModule(w); err != nil {
			return err
		}
	}
	s.tellNext(w)
	return nil
}

func (s *scaffold) fill(name string) ([]byte, error) {
	t, err := template.ParseFS(templates, "scaffold/"+name+".tmpl")
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, s); err != nil {
		return nil, fmt.Errorf("fill template: %w", err)
	}
	return text.Bytes(), nil
}

// write writes a file beside the connector's folder or in it, and none over another.
func (s *scaffold) write(w io.Writer, name string, text []byte) error {
	file := filepath.Join(filepath.Dir(s.folder), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	fmt.Fprintln(w, file)
	return nil
}

// beModule makes a module of it. From a checkout it is built with that, and with the very
// libraries that it has, so that it compiles at once and offline.
func (s *scaffold) beModule(w io.Writer) error {
	if s.checkout == "" {
		text := fmt.Sprintf("module %s\n\ngo 1.26\n\nrequire %s %s\n", path.Dir(s.Path), ourModule, ourVersion())
		return s.write(w, "go.mod", []byte(text))
	}
	ours, err := os.ReadFile(filepath.Join(s.checkout, "go.mod"))
	if err != nil {
		return fmt.Errorf("read the checkout's go.mod: %w", err)
	}
	_, libraries, _ := bytes.Cut(ours, []byte("\n"))
	text := fmt.Sprintf("module %s\n%s\nrequire %s v0.0.0\n\nreplace %[3]s => %q\n", path.Dir(s.Path), libraries, ourModule, s.checkout)
	if err := s.write(w, "go.mod", []byte(text)); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(s.checkout, "go.sum"))
	if err != nil {
		return fmt.Errorf("read the checkout's go.sum: %w", err)
	}
	return s.write(w, "go.sum", sums)
}

// ourVersion is which Knutpunkt this is, as a module.
func ourVersion() string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == ourModule && strings.HasPrefix(m.Version, "v") {
				return m.Version
			}
		}
	}
	return "v0.0.0"
}

func (s *scaffold) tellNext(w io.Writer) {
	if s.module == "" {
		fmt.Fprintf(w, `
It compiles, and its test tells what to fill in: go test ./connectors/%[1]s
Two lines make it one of those that ship, when the test says no more:
  connectors/connectors.go                %[1]s.New
  cmd/knutpunkt/verbs/certify.go          "%[1]s": {%[1]ssim.Subject},
and then: go run ./cmd/knutpunkt connectors certify %[1]s --write
`, s.Name)
		return
	}
	fmt.Fprintf(w, "\nIt is a Knutpunkt with a connector of its own. In %s:\n", s.module)
	if s.checkout == "" {
		fmt.Fprintln(w, "  go mod tidy                                        fetches what it is made of")
	}
	fmt.Fprintf(w, `  go test ./%[1]s     tells what to fill in
  go run . connectors certify %[1]s --write     proves how far it can be trusted
  go run . serve --config DIR
`, s.Name)
}
