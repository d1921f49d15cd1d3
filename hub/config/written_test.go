package config

import (
	"os"
	"slices"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// TestRoutes: who works on a mapping finds the routes that use it, with their own text, also
// where something else in the configuration is wrong.
func TestRoutes(t *testing.T) {
	routes := Routes(os.DirFS("../.."))
	i := slices.IndexFunc(routes, func(r Written) bool { return r.Name == "karlskrona/bygglov-altan" })
	if i < 0 {
		t.Fatalf("it is not among %d routes", len(routes))
	}
	r := routes[i]
	if r.Council.Name != "Karlskrona kommun" || r.Form == nil || r.Title != "Bygglov för altan" || len(r.Mappings()) != 3 {
		t.Errorf("%+v", r)
	}
	if leg := r.LegOf("mappings/bygg/ansokan.yaml"); leg == nil || leg.Name != "bygg" || !slices.Equal(leg.After, []string{"diarium"}) {
		t.Errorf("the leg is %+v", leg)
	}
	if r.LegOf("mappings/bygg/finns-inte.yaml") != nil {
		t.Error("there is a leg for a mapping that is not there")
	}
	want := mapping.RouteValue{
		File: "routes/karlskrona/bygglov-altan.yaml", Line: 12, For: "parties: sökande", Text: "${answers.sokande.SocialSecurityNumber}", As: "parties.sökande",
	}
	if len(r.Values) != 3 || r.Values[0] != want {
		t.Errorf("its values are %+v", r.Values)
	}
}
