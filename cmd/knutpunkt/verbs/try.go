package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A trial is one run of knutpunkt try: a mapping as it stands in a folder, which may be a
// draft, and what is wanted to be known of it.
type trial struct {
	dir             string
	route           string // MUNICIPALITY/SERVICE; "" for any that uses the mapping
	why             bool
	trace           string
	generate, force bool
	workFlags
	submission, reason, leg string
}

func tryCommand() *cobra.Command {
	t := trial{}
	cmd := &cobra.Command{
		Use:   "try MAPPING [CASE]",
		Short: "Print the document that a mapping makes, and where each value comes from; nothing is sent",
		Long: `Print the document that a mapping makes of one of the cases in its .test folder. Nothing
is sent anywhere.

  knutpunkt try diarium/arende altan

With --why each value stands beside where it came from: the answer, the register's field and
which register said it when, the receipt, the table's line, and the line of the mapping; and
below, what was left out and why.

With --trace PATH it lists every place that something goes to: an answer, a party, a
register's field. Without a mapping it looks through all routes and their mappings.

  knutpunkt try --trace answers.sokande.Email

With --generate it makes up the given.json of a new case, which fits the form's schema, with
invented persons and official test numbers; one of them protected in the case skyddad.

  knutpunkt try --generate diarium/arende skyddad

With --submission ID it has the hub that runs make the document of a form that it has stored,
by the mapping as it stands in this folder, whatever the hub itself uses; and tells whether
that is what was sent. It takes a name of operators: and a reason, which are noted in the
case's log.

  knutpunkt try diarium/arende --submission 01ARZ3NDEKTSV4RRFFQ69G5FAV --as registrator --reason "ny åtkomstkod"`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), cmd.OutOrStdout(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&t.dir, "config", ".", "the folder of the configuration")
	f.BoolVar(&t.why, "why", false, "beside each value where it came from")
	f.StringVar(&t.trace, "trace", "", "list where this goes: answers.FIELD, parties.ROLE, NAME.field of a register's answer")
	f.BoolVar(&t.generate, "generate", false, "make up the given.json of a new case")
	f.BoolVar(&t.force, "force", false, "with --generate: in the place of the one that is there")
	f.StringVar(&t.route, "route", "", "by this route alone, such as karlskrona/bygglov-altan")
	f.StringVar(&t.submission, "submission", "", "of a form that the hub has stored, by its ID")
	f.StringVar(&t.leg, "leg", "", "with --submission: for this leg, where the route has several that use the mapping")
	f.StringVar(&t.reason, "reason", "", "with --submission: why, in your own words; it is kept sealed, and no place for a personnummer")
	t.workFlags.register(cmd)
	return cmd
}

func (t *trial) run(ctx context.Context, w io.Writer, args []string) error {
	switch {
	case t.trace != "" && (t.generate || t.submission != "" || len(args) > 1):
		return usage{errors.New("--trace goes with at most a mapping")}
	case t.trace != "":
		return t.follow(w, args)
	case len(args) == 0:
		return usage{errors.New("name a mapping, such as diarium/arende")}
	case t.submission != "" && (t.generate || len(args) > 1):
		return usage{errors.New("--submission goes with a mapping, and no case of its tests")}
	}
	m, err := t.compile(os.DirFS(t.dir), args[0])
	switch {
	case err != nil:
		return err
	case t.submission != "":
		return t.rehearse(ctx, w, m)
	case len(args) == 1:
		return usage{fmt.Errorf("name a case of %s; it has %s", m.Path(), orNone(mapping.Cases(os.DirFS(t.dir), m)))}
	case t.generate:
		return t.makeUp(ctx, w, m, args[1])
	}
	return t.render(ctx, w, m, args[1])
}

// compile finds a mapping by any of the names that people write.
func (t *trial) compile(fsys fs.FS, name string) (*mapping.Mapping, error) {
	name = strings.TrimSuffix(strings.TrimPrefix(path.Clean(filepath.ToSlash(name)), "mappings/"), ".yaml")
	m, problems := mapping.Compile(fsys, "mappings/"+name+".yaml")
	if len(problems) > 0 {
		return nil, config.Problems(problems)
	}
	return m, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none yet: --generate makes one up"
	}
	return strings.Join(names, ", ")
}

// folder is where a case of a mapping's tests stands.
func (t *trial) folder(m *mapping.Mapping, name string) string {
	return strings.TrimSuffix(m.Path(), ".yaml") + ".test/" + name
}

func (t *trial) render(ctx context.Context, w io.Writer, m *mapping.Mapping, name string) error {
	fsys := os.DirFS(t.dir)
	if cases := mapping.Cases(fsys, m); !slices.Contains(cases, name) {
		return usage{fmt.Errorf("%s has no case %s; it has %s", m.Path(), name, orNone(cases))}
	}
	known, err := mapping.ReadGiven(fsys, t.folder(m, name)+"/given.json")
	if err != nil {
		return fmt.Errorf("%s/given.json: %w", t.folder(m, name), err)
	}
	if !t.why {
		made, err := m.Render(known)
		if err != nil {
			return err
		}
		_, err = w.Write(mapping.Pretty(made))
		return err
	}
	_, why, err := m.Explain(ctx, known, t.form(m, known))
	if _, printed := w.Write(why.Reveal()); err == nil {
		err = printed
	}
	return err
}

// form finds the schema of the answers for what people call its questions, nil where no
// route says.
func (t *trial) form(m *mapping.Mapping, known hub.Known) *document.Type {
	for _, u := range t.uses(m) {
		s := known.Submission
		if u.Form != nil && (t.route != "" || u.Municipality == s.Municipality && u.Service == s.Service) {
			return u.Form.Type()
		}
	}
	return nil
}

// routes are those of the configuration, or the one that was named.
func (t *trial) routes() []config.Written {
	routes := config.Routes(os.DirFS(t.dir))
	if t.route == "" {
		return routes
	}
	return slices.DeleteFunc(routes, func(r config.Written) bool { return r.Name != t.route })
}

// uses are the routes that use a mapping.
func (t *trial) uses(m *mapping.Mapping) []config.Written {
	return slices.DeleteFunc(t.routes(), func(r config.Written) bool { return r.LegOf(m.Path()) == nil })
}

// makeUp writes a given.json and shows what becomes of it.
func (t *trial) makeUp(ctx context.Context, w io.Writer, m *mapping.Mapping, name string) error {
	file := filepath.Join(t.dir, filepath.FromSlash(t.folder(m, name)), "given.json")
	if path.Base(name) != name || name == "." || name == ".." {
		return usage{errors.New("a case is called by the name of one folder")}
	}
	if _, err := os.Stat(file); err == nil && !t.force {
		return usage{fmt.Errorf("%s is there already: --force makes it up anew", file)}
	}
	uses := t.uses(m)
	if len(uses) == 0 {
		return usage{fmt.Errorf("no route uses %s, so nobody knows what it is given: write the route first", m.Path())}
	}
	route := uses[0]
	leg := route.LegOf(m.Path())
	text, wrong := mapping.Ground{
		Mapping: leg.Mapping, Route: route.Route, Council: route.Council, Form: route.Form, Values: route.Values, After: leg.After,
	}.Given(name)
	if text == nil {
		return wrong
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("make the case's folder: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write given.json: %w", err)
	}
	fmt.Fprintf(os.Stderr, "%s is made up, as routes/%s.yaml gives it\n", file, route.Name)
	if wrong != nil {
		return fmt.Errorf("%s: %w", file, wrong)
	}
	if err := t.render(ctx, w, m, name); err != nil {
		return fmt.Errorf("%s: mend what it lacks: %w", file, err)
	}
	return nil
}

// follow lists where something goes.
func (t *trial) follow(w io.Writer, args []string) error {
	routes := t.routes()
	if t.route != "" && len(routes) == 0 {
		return usage{fmt.Errorf("there is no route %s", t.route)}
	}
	var places []mapping.Place
	if len(args) == 1 {
		m, err := t.compile(os.DirFS(t.dir), args[0])
		if err != nil {
			return err
		}
		routes = t.uses(m)
		places = mapping.Trace(t.trace, nil, m)
	} else {
		for _, r := range routes {
			places = append(places, mapping.Trace(t.trace, r.Values, r.Mappings()...)...)
		}
	}
	seen := map[mapping.Place]bool{}
	for _, p := range places {
		if !seen[p] {
			fmt.Fprintln(w, p)
		}
		seen[p] = true
	}
	if len(places) > 0 {
		return nil
	}
	return t.nowhere(w, routes)
}

// nowhere tells what goes nowhere from a field that no form has, and from what is no path.
func (t *trial) nowhere(w io.Writer, routes []config.Written) error {
	root, _, _ := strings.Cut(strings.ReplaceAll(t.trace, "[", "."), ".")
	if len(routes) > 0 && !slices.Contains(roots(routes), root) {
		return usage{fmt.Errorf("%s is no path: write answers.FIELD, parties.ROLE, or NAME.field of what a register answers", t.trace)}
	}
	var unknown []string
	for _, r := range routes {
		if r.Form == nil {
			continue
		}
		text := mapping.UnknownAnswer(t.trace, r.Form.Type())
		if text == "" {
			unknown = nil
			break
		}
		unknown = append(unknown, r.Name+": "+text)
	}
	if len(unknown) == 0 {
		fmt.Fprintf(w, "%s goes nowhere\n", t.trace)
		return nil
	}
	return fmt.Errorf("%s is in no form\n  %s", t.trace, strings.Join(unknown, "\n  "))
}

// roots are what a path can begin with.
func roots(routes []config.Written) []string {
	names := mapping.Names()
	for _, r := range routes {
		for _, e := range r.Enrich {
			names = append(names, e.As)
		}
		for _, leg := range r.Legs {
			names = append(names, leg.Name)
		}
	}
	return names
}
