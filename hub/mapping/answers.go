package mapping

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// An Asking is a route that uses a mapping, for what it asks of the answers.
type Asking struct {
	Municipality hub.Municipality
	Service      string

	// Form gives what the answers of a version of the form are held against, and its file's name;
	// nil where they pass as they are.
	Form func(version string) (form *document.Form, file string)
}

// CheckAnswers holds the answers in a mapping's tests against the schema of the form, as the hub would
// have done before the mapping saw them. A test is of the route that takes its e-service; one that is of
// none of them must fit some route's.
func CheckAnswers(fsys fs.FS, m *Mapping, routes []Asking) []Problem {
	var problems []Problem
	for _, name := range Cases(fsys, m) {
		r := &report{file: path.Join(m.testFolder(), name, "given.json")}
		text, err := fs.ReadFile(fsys, r.file)
		if err != nil {
			continue
		}
		if tree, err := document.ReadJSON(text, document.Limits{}); err == nil {
			r.answers(text, tree, routes)
		}
		problems = append(problems, r.problems...)
	}
	return problems
}

func (r *report) answers(text []byte, given any, routes []Asking) {
	answers, written := reach(given, "/submission/answers")
	if !written {
		return
	}
	version, _ := reach(given, "/submission/version")
	called, _ := version.(string)
	var nearest []document.Violation
	schema := ""
	for _, route := range routesOf(given, routes) {
		form, file := route.Form(called)
		if form == nil {
			return
		}
		misfits := form.Misfits(answers)
		if len(misfits) == 0 {
			return
		}
		if nearest == nil || len(misfits) < len(nearest) {
			nearest, schema = misfits, file
		}
	}
	for _, v := range nearest {
		r.misfit(text, given, v, schema)
	}
}

// routesOf gives the routes that a given.json is of; all of them where it is of none.
func routesOf(given any, routes []Asking) []Asking {
	municipality, _ := reach(given, "/municipality/code")
	service, _ := reach(given, "/submission/service")
	own := slices.DeleteFunc(slices.Clone(routes), func(a Asking) bool {
		return municipality != string(a.Municipality) || service != a.Service
	})
	if len(own) == 0 {
		return routes
	}
	return own
}

func (r *report) misfit(text []byte, given any, v document.Violation, schema string) {
	pointer := "/submission/answers" + v.Path
	line, column := document.Pointed(text, pointer)
	at, in := place{line, column}, path.Dir(pointer)
	name := document.PointerName(path.Base(pointer))
	switch v.Rule {
	case "additionalProperties":
		r.tellAt(at, "%s has no %s in %s%s", schema, name, in, near(name, v.Allowed))
	case "required":
		r.tellAt(at, "%s requires %s in %s, and the test has none", schema, name, in)
	default:
		value, _ := reach(given, pointer)
		r.tellAt(at, "%s: %s %s, and %s refuses it", pointer, show(value), v.Reason(), schema)
	}
}

// reach gives what stands where a JSON pointer says.
func reach(tree any, pointer string) (value any, there bool) {
	for step := range strings.SplitSeq(pointer[1:], "/") {
		switch in := tree.(type) {
		case map[string]any:
			tree, there = in[document.PointerName(step)]
		case []any:
			i, err := strconv.Atoi(step)
			if there = err == nil && i < len(in); there {
				tree = in[i]
			}
		default:
			there = false
		}
		if !there {
			return nil, false
		}
	}
	return tree, true
}
