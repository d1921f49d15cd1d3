package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

const (
	formFile  = "schemas/altan.json"
	givenFile = "mappings/box/arende.test/altan/given.json"
)

// asked gives the small configuration with a schema of its form, and with the answers of its test.
func asked(schema, answers string) fstest.MapFS {
	fsys := small()
	fsys[formFile] = &fstest.MapFile{Data: []byte(schema)}
	given := strings.Replace(string(fsys[givenFile].Data), `"answers":{"hus":"A 1:1"}`, "\n"+answers, 1)
	fsys[givenFile] = &fstest.MapFile{Data: []byte(given)}
	return fsys
}

func told(fsys fstest.MapFS) string {
	var all []string
	for _, p := range Check(fsys, connectors) {
		all = append(all, p.String())
	}
	return strings.Join(all, "\n")
}

// What people write as a form's answers in a test is what the form's schema could have let through.
func TestCheckHoldsTestsAgainstTheForm(t *testing.T) {
	const schema = `{"type":"object","additionalProperties":false,"required":["hus"],"properties":{"pnr":{"type":"string"},
		"hus":{"type":"string","maxLength":6},"rum":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"yta":{"type":"number"}}}}}}`
	for _, row := range []struct{ name, answers, want string }{
		{"what fits", `"answers":{"hus":"A 1:1","rum":[{"yta":2.5}]}`, ""},
		{"a member that the form has not", `"answers":{"hus":"A 1:1",` + "\n" + `"rumm":[]}`,
			givenFile + ":3: schemas/altan.json has no rumm in /submission/answers; is it rum? (column 8)"},
		{"one further in", `"answers":{"hus":"A 1:1","rum":[{},` + "\n" + `{"area":2}]}`,
			givenFile + ":3: schemas/altan.json has no area in /submission/answers/rum/1 (column 9)"},
		{"a member that the form requires", `"answers":{"pnr":"x"}`,
			givenFile + ":2: schemas/altan.json requires hus in /submission/answers, and the test has none (column 11)"},
		{"a text for a number", `"answers":{"hus":"A 1:1","rum":[{"yta":"2.5"}]}`,
			givenFile + `:2: /submission/answers/rum/0/yta: "2.5" is no number, and schemas/altan.json refuses it (column 40)`},
		{"too long a text", `"answers":{"hus":"A 1:1001"}`,
			givenFile + `:2: /submission/answers/hus: "A 1:1001" is longer than 6 characters, and schemas/altan.json refuses it (column 18)`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := ""
			for _, p := range Check(asked(schema, row.answers), connectors) {
				if p.File == givenFile { // the document may be another too
					got += p.String()
				}
			}
			if got != row.want {
				t.Errorf("told\n%s\nwanted\n%s", got, row.want)
			}
		})
	}
}

// A mapping that several routes use has tests of each.
func TestCheckHoldsATestAgainstTheRouteItIsOf(t *testing.T) {
	const other = "routes/vasby/plank.yaml"
	for _, row := range []struct{ name, service, answers, want string }{
		{"of the one", "702", `"answers":{"hus":"A 1:1"}`, ""},
		{"of the other", "703", `"answers":{"hus":"A 1:1","höjd":2}`, ""},
		{"of the one with the other's answers", "702", `"answers":{"hus":"A 1:1","höjd":2}`,
			givenFile + ":2: schemas/altan.json has no höjd in /submission/answers (column 33)"},
		{"of a version that has a schema of its own", `703","version":"2`, `"answers":{"hus":"A 1:1","bredd":2}`, ""},
		{"of no e-service, with the other's answers", "", `"answers":{"hus":"A 1:1","höjd":2}`, ""},
		{"of no e-service, with nobody's answers", "", `"answers":{"hus":"A 1:1","längd":2}`,
			givenFile + ":2: schemas/altan.json has no längd in /submission/answers (column 34)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fsys := asked(`{"type":"object","additionalProperties":false,"properties":{"pnr":{"type":"string"},"hus":{"type":"string"}}}`, row.answers)
			route := strings.NewReplacer("702", "703", "altan.json", "plank.json\nversions: { \"2\": plank2.json }").Replace(string(fsys[routeFile].Data))
			fsys[other] = &fstest.MapFile{Data: []byte(route)}
			for name, member := range map[string]string{"plank.json": "höjd", "plank2.json": "bredd"} {
				fsys["schemas/"+name] = &fstest.MapFile{Data: []byte(strings.Replace(string(fsys[formFile].Data), `"pnr":`, `"`+member+`":{"type":"number"},"pnr":`, 1))}
			}
			fsys[givenFile].Data = []byte(strings.Replace(string(fsys[givenFile].Data), `"702"`, `"`+row.service+`"`, 1))
			if got := told(fsys); got != row.want {
				t.Errorf("told\n%s\nwanted\n%s", got, row.want)
			}
		})
	}
}

// A schema that is right by the book may still be one that no form ever fits, or that asks nothing.
func TestCheckFindsSlipsInAFormsSchema(t *testing.T) {
	const answers = `"answers":{"hus":"A 1:1"}`
	for _, row := range []struct{ name, schema, want string }{
		{"required is what the closed object has not", `{"type":"object","additionalProperties":false,
			"required":["hus",
			"pnnr"],"properties":{"hus":{},"pnr":{"type":"string"}}}`,
			formFile + ":3: pnnr is required, but the object has no such member and takes no others; did you mean pnr? (column 4)"},
		{"below a member", `{"properties":{"pnr":{"type":"string"},"hus":{"type":"string"},"rum":{"type":"array","items":{
			"additionalProperties":false,"required":["yta"],"properties":{"area":{}}}}}}`,
			formFile + ":2: yta is required, but the object has no such member and takes no others (column 45)"},
		{"in what it refers to", `{"properties":{"pnr":{"type":"string"},"hus":{"type":"string"},"rum":{"$ref":"#/$defs/rum"}},
			"$defs":{"rum":{"additionalProperties":false,"required":["yta"],"properties":{"area":{}}}}}`,
			formFile + ":2: yta is required, but the object has no such member and takes no others (column 61)"},
		{"a keyword misspelt", `{"type":"object",
			"propertes":{"hus":{"type":"string"}}, "properties":{"pnr":{}, "hus":{"type":"string"}}}`,
			formFile + ":2: JSON Schema has no propertes, so it asks nothing; did you mean properties? (column 16)"},
		{"a keyword in the wrong case", `{"properties":{"pnr":{"type":"string"},"hus":{"type":"string", "maxlength":3}}}`,
			formFile + ":1: JSON Schema has no maxlength, so it asks nothing; did you mean maxLength? (column 76)"},

		{"what patterns take", `{"additionalProperties":false,"required":["rum1"],"properties":{"pnr":{"type":"string"},"hus":{}},"patternProperties":{"^rum":{}}}`, givenFile +
			":2: schemas/altan.json requires rum1 in /submission/answers, and the test has none (column 11)"},
		{"keywords of others", `{"x-order":1,"example":{},"unit":"m","properties":{"pnr":{"type":"string"},"hus":{"enum":["A 1:1"],"default":{"propertes":1}}}}`, ""},
		{"members that are called almost as keywords", `{"properties":{"propertes":{},"requird":{},"pnr":{"type":"string"},"hus":{"type":"string"}}}`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := told(asked(row.schema, answers)); got != row.want {
				t.Errorf("told\n%s\nwanted\n%s", got, row.want)
			}
		})
	}
}

func TestCheckFollowsAFormsSchemaIntoOtherFiles(t *testing.T) {
	fsys := asked(`{"properties":{"pnr":{"type":"string"},"hus":{"$ref":"delar/hus.json#/$defs/hus"}}}`, `"answers":{"hus":"A 1:1"}`)
	fsys["schemas/delar/hus.json"] = &fstest.MapFile{Data: []byte(`{"$defs":{"hus":{"type":"string",` + "\n" + `"patern":"A"}}}`)}
	const want = "schemas/delar/hus.json:2: JSON Schema has no patern, so it asks nothing; did you mean pattern? (column 10)"
	if got := told(fsys); got != want {
		t.Errorf("told\n%s\nwanted\n%s", got, want)
	}
}
