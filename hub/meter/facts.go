package meter

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/knutpunkt/knutpunkt/hub"
)

// All that a span can say.
const (
	ofSubmission   attribute.Key = "knutpunkt.submission"
	ofCase         attribute.Key = "knutpunkt.case"
	ofDelivery     attribute.Key = "knutpunkt.delivery"
	ofMunicipality attribute.Key = "knutpunkt.municipality"
	ofSystem       attribute.Key = "knutpunkt.system"
	ofConnector    attribute.Key = "knutpunkt.connector"
	ofStep         attribute.Key = "knutpunkt.step"
	ofOutcome      attribute.Key = "knutpunkt.outcome"
	ofReason       attribute.Key = "knutpunkt.reason"
	ofStatus       attribute.Key = "http.response.status_code"
)

// isFact reports whether a key is one of them: nothing else leaves, whatever a library adds.
func isFact(key string) bool {
	return slices.Contains([]attribute.Key{
		ofSubmission, ofCase, ofDelivery, ofMunicipality, ofSystem, ofConnector, ofStep, ofOutcome, ofReason, ofStatus,
	}, attribute.Key(key))
}

// fact is something that a span says. Its value is an id of ours or out of a closed list: no
// other text fits.
func fact[T hub.ID | hub.CaseID | hub.Key | hub.Municipality | hub.SystemID | hub.Step | hub.Reason | word](key attribute.Key, value T) attribute.KeyValue {
	return key.String(string(value))
}

// A word is a connector's name, or what something came to.
type word string

func aboutCase(id hub.ID, c hub.Case) []attribute.KeyValue {
	return []attribute.KeyValue{fact(ofSubmission, id), fact(ofCase, c.ID), fact(ofMunicipality, c.Municipality)}
}
