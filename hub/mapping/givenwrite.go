package mapping

import (
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// givenOf writes a Known as given.json has it; what is empty is left out.
func givenOf(k hub.Known) document.Object {
	s := k.Submission
	return object(
		"municipality", object("code", string(k.Council.Code), "name", k.Council.Name),
		"title", k.Title,
		"submission", object(
			"id", string(s.ID), "case", string(s.Case), "service", s.Service, "version", s.FormVersion,
			"source", object("system", string(s.Source.System), "id", s.Source.ID, "version", s.Source.Version),
			"inkommen", rfc3339(s.Inkommen),
			"parties", each(s.Parties, func(p hub.Party) any {
				return object(
					"role", p.Role, "id", p.ID.Reveal(), "organisation", p.Org.Reveal(), "given", p.Given, "family", p.Family,
					"birth", string(p.Birth), "follows", p.Follows,
				)
			}),
			"answers", s.Answers.Reveal(),
			"attachments", each(s.Attachments, func(a hub.Attachment) any {
				return object(
					"name", a.Name, "type", a.Type, "size", int(a.Size), "question", a.Question,
					"sha256", hex.EncodeToString(a.Blob.SHA256[:]), "print", a.Print,
				)
			}),
		),
		"registers", members(k.Answers, givenAnswer),
		"receipts", members(k.Receipts, givenReceiptOf),
		"case", members(k.Case, givenReceiptOf),
	)
}

func givenAnswer(a hub.RegisterAnswer) any {
	persons := each(a.Persons, givenPersonOf)
	if a.List {
		return persons
	}
	return persons[0]
}

func givenPersonOf(p hub.Person) any {
	made := object(
		"id", p.ID.Reveal(), "given", p.Given, "calling", p.Calling, "middle", p.Middle, "family", p.Family, "birth", string(p.Birth),
		"protection", protections[p.Protection],
	)
	if a := p.Address; a != nil {
		made = append(made, object("address", object(
			"careOf", a.CareOf, "street", a.Street, "extra", a.Extra, "postcode", a.Postcode, "city", a.City,
		))...)
	}
	return append(made, object(
		"registered", string(p.Registered), "property", p.Property, "civil", p.Civil,
		"guardians", each(p.Guardians, givenRelativeOf), "children", each(p.Children, givenRelativeOf),
		"asOf", rfc3339(p.AsOf), "by", string(p.By),
	)...)
}

func givenRelativeOf(r hub.Relative) any {
	return object("id", r.ID.Reveal(), "birth", string(r.Birth), "given", r.Given, "family", r.Family)
}

func givenReceiptOf(r hub.Receipt) any {
	return object("number", r.Number, "ref", r.Ref, "at", rfc3339(r.At))
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339) }

// object makes one of names and values; what is empty is left out.
func object(pairs ...any) document.Object {
	var made document.Object
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			if v == "" {
				continue
			}
		case bool:
			if !v {
				continue
			}
		case []any:
			if len(v) == 0 {
				continue
			}
		case document.Object:
			if len(v) == 0 {
				continue
			}
		}
		made = append(made, document.Member{Name: pairs[i].(string), Value: pairs[i+1]})
	}
	return made
}

func each[T any](list []T, write func(T) any) []any {
	var all []any
	for _, item := range list {
		all = append(all, write(item))
	}
	return all
}

func members[T any](m map[string]T, write func(T) any) document.Object {
	var made document.Object
	for _, name := range slices.Sorted(maps.Keys(m)) {
		made = append(made, document.Member{Name: name, Value: write(m[name])})
	}
	return made
}
