package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// CompileFind compiles one value of a route that says who somebody is: a number among
// the answers (${answers.sokande.personnummer}), a role (${parties.sökande}), an earlier
// answer or the relatives in it (${barn.guardians}), or a list of such. The file and
// line are where it stands; list reports whether it gives a list whatever the form says.
//
// What find gives has no Role. A party that is already known comes as it is; a person or
// relative without a number comes with name and birth date and a zero ID. Absent and
// blank give nobody. A text that is no identity number of a person or an organisation,
// also one that the platform has masked, is a *hub.MappingError with hub.ReasonRule.
func CompileFind(text string, env Env, file string, line int) (find func(hub.Known) ([]hub.Party, error), list bool, problems []Problem) {
	r := &report{file: file}
	before, source, after := cutValue(text)
	if source == nil || before != "" || strings.TrimSpace(after) != "" {
		r.add(line, "write one value and nothing around it, such as ${answers.personnummer}")
		return nil, false, r.problems
	}
	x := compileExpression(r, *source, place{line: line}, false)
	if x == nil {
		return nil, false, r.problems
	}
	c := newTypeChecker(r, false, env.names(nil))
	nt, ok := c.typeOf(x)
	unknown := nt.IsUnknown(&c.config.NtCache)
	if list = ok && nt.IsArray(); list {
		nt = nt.Elem(&c.config.NtCache)
	}
	if ok && !unknown && !isIdentified(nt) && !nt.IsString() && !nt.IsNumber() && !nt.IsUnknown(&c.config.NtCache) {
		c.wrong(x, "is "+sortOf(nt.String())+" and no person")
	}
	if len(r.problems) > 0 {
		return nil, false, r.problems
	}
	return finder{x, fmt.Sprintf("%s:%d", file, line)}.find, list, nil
}

type finder struct {
	value *expression
	where string
}

func (f finder) find(known hub.Known) ([]hub.Party, error) {
	v, err := f.value.value(valuesOf(&known, nil))
	var parties []hub.Party
	if err == nil {
		parties, err = partiesOf(v)
	}
	if err == nil {
		return parties, nil
	}
	wrong := &hub.MappingError{Where: f.where, Reason: hub.ReasonMapping, Text: f.value.String() + " " + reasonOf(err)}
	var ours *fault
	switch {
	case errors.As(err, &ours):
		wrong.Text = ours.text
	case errors.Is(err, notIdentity):
		wrong.Reason = hub.ReasonRule
	}
	return nil, wrong
}

// CompileText compiles one value of a route that is a text, such as where somebody wants
// to be told: ${answers.kontakt.Email}. What text gives is "" where the form has no such
// value, or one that is no text: it is nothing that a form could be stopped for.
func CompileText(written string, env Env, file string, line int) (text func(hub.Known) string, problems []Problem) {
	r := &report{file: file}
	before, source, after := cutValue(written)
	if source == nil || before != "" || strings.TrimSpace(after) != "" {
		r.add(line, "write one value and nothing around it, such as ${answers.kontakt.Email}")
		return nil, r.problems
	}
	x := compileExpression(r, *source, place{line: line}, false)
	if x == nil {
		return nil, r.problems
	}
	c := newTypeChecker(r, false, env.names(nil))
	if nt, ok := c.typeOf(x); ok && !nt.IsString() && !nt.IsUnknown(&c.config.NtCache) {
		c.wrong(x, "is "+sortOf(nt.String())+" and no text")
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return func(known hub.Known) string {
		v, err := x.value(valuesOf(&known, nil))
		found, isText := v.(string)
		if err != nil || !isText {
			return ""
		}
		return strings.TrimSpace(found)
	}, nil
}

func partiesOf(v any) ([]hub.Party, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		var all []hub.Party
		for _, item := range v {
			parties, err := partiesOf(item)
			if err != nil {
				return nil, err
			}
			all = append(all, parties...)
		}
		return all, nil
	case *party:
		return []hub.Party{hub.Party(*v)}, nil
	case *person:
		return []hub.Party{{ID: v.ID, Given: v.Given, Family: v.Family, Birth: v.Birth}}, nil
	case *relative:
		return []hub.Party{{ID: v.ID, Given: v.Given, Family: v.Family, Birth: v.Birth}}, nil
	}
	id, org, err := identityOf(v)
	if err != nil || id.IsZero() && org.IsZero() {
		return nil, err
	}
	return []hub.Party{{ID: id, Org: org}}, nil
}
