package document

import (
	"maps"
	"slices"
)

// A Shape is what a schema says of one place in documents, for those who look at how a document is
// made before there is one. It may say less than its schema, where that is not simple enough to be
// told (wildcards, alternatives, substitution groups), and never more: what a Shape refuses, the
// schema refuses. The nil Shape says nothing. A Shape may refer back to itself.
type Shape struct {
	Kind      TypeKind // in JSON, where the schema names one; "" in XML
	Parts     []Part   // the elements or members that may stand here, in the schema's order
	Open      bool     // others may stand here too
	Attrs     []Part   // of an element
	OpenAttrs bool     // it may have others too
	OneOf     [][]Name // of the names in each list one must be there, beside the Parts that are needed
	Text      bool     // an element that may hold a text
	Items     *Shape   // of a list in JSON

	rule   *textRule // of an element's or attribute's text
	values valueRule // of a value in JSON
}

// A Name is that of an element or an attribute in XML, or of a member in JSON, which has no Space.
type Name struct{ Space, Local string }

// A Part is an element, an attribute or a member that may stand in a place.
type Part struct {
	Name
	Shape  *Shape
	Needed bool // it must be there
	Most   int  // how many times it may be there; 0 for any number
	Rank   int  // in XML: after parts of a lower rank, and before those of a higher; 0 for anywhere
}

// Part gives the part of a name, and whether the shape has it.
func (s *Shape) Part(name Name) (Part, bool) { return partOf(s.Parts, name) }

// Attr gives the attribute of a name, and whether the shape has it.
func (s *Shape) Attr(name Name) (Part, bool) { return partOf(s.Attrs, name) }

func partOf(parts []Part, name Name) (Part, bool) {
	i := slices.IndexFunc(parts, func(p Part) bool { return p.Name == name })
	if i < 0 {
		return Part{}, false
	}
	return parts[i], true
}

// Wrong holds one value against the place: a text in XML; in JSON whatever ReadJSON gives. Its
// Violation has no Path.
func (s *Shape) Wrong(value any) (Violation, bool) {
	if s == nil {
		return Violation{}, false
	}
	if text, is := value.(string); is && s.rule != nil {
		return s.rule.wrong(text)
	}
	return s.values.wrong(value)
}

// A particle is a part of what an element may hold, as a schema of XML builds it: an element, a
// wildcard, or a group of particles.
type particle struct {
	kind  string // element, any, sequence, choice or all
	part  Part
	min   int
	max   int // 0 for any number
	below []particle
}

// required gives the names that are there however the particle is filled.
func (p particle) required() map[Name]bool {
	names := map[Name]bool{}
	if p.min == 0 {
		return names
	}
	switch p.kind {
	case "element":
		names[p.part.Name] = true
	case "choice":
		for i, alternative := range p.below {
			of := alternative.required()
			if i == 0 {
				names = of
			}
			maps.DeleteFunc(names, func(name Name, _ bool) bool { return !of[name] })
		}
	default:
		for _, each := range p.below {
			maps.Copy(names, each.required())
		}
	}
	return names
}

// emptiable tells whether nothing may stand for the particle.
func (p particle) emptiable() bool {
	switch {
	case p.min == 0:
		return true
	case p.kind == "element", p.kind == "any":
		return false
	case p.kind == "choice":
		return len(p.below) == 0 || slices.ContainsFunc(p.below, particle.emptiable)
	}
	return !slices.ContainsFunc(p.below, func(each particle) bool { return !each.emptiable() })
}

// names lists the elements that may stand in the particle, and whether a wildcard may.
func (p particle) names() (names []Name, wild bool) {
	switch p.kind {
	case "element":
		return []Name{p.part.Name}, false
	case "any":
		return nil, true
	}
	for _, each := range p.below {
		of, any := each.names()
		names, wild = append(names, of...), wild || any
	}
	return names, wild
}

// spread tells a shape of all that the particles of an element let stand in it.
func (s *Shape) spread(top particle) {
	spreader := spreader{shape: s, required: top.required()}
	spreader.add(top, 1, false)
	spreader.choices(top)
}

type spreader struct {
	shape    *Shape
	required map[Name]bool
	rank     int
}

// add puts in what a particle holds, which comes up to times times, 0 for any number. In one place
// all have the same rank, since there may be any of them.
func (s *spreader) add(p particle, times int, onePlace bool) {
	if p.max == 0 || times == 0 {
		times = 0
	} else {
		times *= p.max
	}
	switch p.kind {
	case "any":
		s.shape.Open = true
	case "element":
		if !onePlace {
			s.rank++
		}
		s.put(p.part, times)
	default:
		together := onePlace || times != 1 || p.kind != "sequence"
		if together && !onePlace {
			s.rank++
		}
		for _, each := range p.below {
			s.add(each, times, together)
		}
	}
}

// put adds an element, which may stand in several places of one group.
func (s *spreader) put(part Part, times int) {
	part.Most, part.Rank, part.Needed = times, s.rank, s.required[part.Name]
	for i := range s.shape.Parts {
		if twin := &s.shape.Parts[i]; twin.Name == part.Name {
			if twin.Rank != part.Rank {
				twin.Rank = 0
			}
			twin.Most = 0
			return
		}
	}
	s.shape.Parts = append(s.shape.Parts, part)
}

// choices finds the groups of which one must be chosen, and in which nothing is needed whatever is
// chosen.
func (s *spreader) choices(p particle) {
	if p.min == 0 {
		return
	}
	if p.kind == "choice" {
		names, wild := p.names()
		if !wild && !p.emptiable() && len(p.required()) == 0 {
			s.shape.OneOf = append(s.shape.OneOf, names)
		}
		return
	}
	for _, each := range p.below {
		s.choices(each)
	}
}
