package verbs

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// inventedResidents is how many live in the demo's Eslöv beside those whose forms are sent in.
const inventedResidents = 2000

// feedResidents reads today's extract of everybody who lives in Eslöv into its register, as a
// municipality has Skatteverket's file read. A folder that has had another day's keeps that,
// and Navet is asked instead.
func feedResidents(ctx context.Context, h *hub.Hub) error {
	sim, err := kirsim.New(kirsim.Options{
		Residents: inventedResidents, Persons: inEslov(), Day: time.Now().Truncate(24 * time.Hour),
	})
	if err != nil {
		return err
	}
	file, into := io.Pipe()
	go func() { into.CloseWithError(sim.Extract(into, 1)) }()
	_, err = h.Import(ctx, "eslov.kir", file, func(hub.Imported) {})
	file.Close()
	if errors.As(err, new(*hub.Misplaced)) {
		return nil
	}
	return err
}

// inEslov are those of the simulated Navet's persons who live there.
func inEslov() (residents []kirsim.Person) {
	for _, p := range navetsim.Persons() {
		if p.Municipality == kirsim.Municipality && p.Kind == navetsim.Registered {
			residents = append(residents, kirsim.Person{
				ID: p.ID, Given: p.Given, Family: p.Family, Guardians: p.Guardians,
				Street: p.Address.Street, Code: p.Address.Postcode, City: p.Address.City,
			})
		}
	}
	return residents
}
