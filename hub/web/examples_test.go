package web_test

import (
	"encoding/json"
	"testing"
)

// TestExamples posts what the written contract shows.
func TestExamples(t *testing.T) {
	b := newBed(t)
	a := ask(t, b.public, "GET", "/openapi.json", "")
	var contract struct {
		OpenAPI string
		Paths   map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct {
						Examples map[string]struct{ Value json.RawMessage }
					}
				}
			}
		}
	}
	decode(t, a, &contract)
	examples := contract.Paths["/v1/submissions"].Post.RequestBody.Content["application/json"].Examples
	if contract.OpenAPI != "3.1.0" || len(examples) < 3 {
		t.Fatalf("OpenAPI %s with %d examples", contract.OpenAPI, len(examples))
	}
	for name, example := range examples {
		if a := b.json(t, "example-"+name, string(example.Value)); a.status != 202 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
