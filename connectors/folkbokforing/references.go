package folkbokforing

import (
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// references reads the three places where Navet has written a person's other numbers: one alone, a
// list, and, since 2026, inside the PersonId.
func references(personal *document.Element) (ids []hub.PersonID) {
	places := slices.Concat(
		personal.All("PersonId/Hanvisning"),
		personal.All("Hanvisningar/Hanvisning/HanvisningsPersonNr"),
		personal.All("HanvisningsPersonNr"),
	)
	for _, place := range places {
		id, err := hub.ParsePersonID(strings.TrimSpace(place.Text))
		if err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// departure tells why a number is no longer in use, and since when.
func departure(personal *document.Element) hub.Departure {
	left := personal.Child("Avregistrering")
	d := hub.Departure{
		Reason: left.Value("AvregistreringsorsakKod"),
		Date:   date(left.Value("Avregistreringsdatum")),
	}
	found := date(left.Value("AntraffadDod"))
	if found != "" && (d.Reason == "" || d.Reason == "AV" && d.Date == "") {
		return hub.Departure{Reason: "AV", Date: found}
	}
	if d.Reason != "" {
		return d
	}
	// The death of who has a samordningsnummer stands among the particulars of the number.
	if dead := date(personal.Value("Samordningsnummeruppgifter/DatumAvliden")); dead != "" {
		return hub.Departure{Reason: "AV", Date: dead}
	}
	return statusDeparture(personal.Path("PersonId/Identitetsstatus"))
}

// statusDeparture reads the status of a samordningsnummer. One that is out of use for a reason without
// a code of its own is given in Skatteverket's word, such as VILANDEFORKLARAT: dormant.
func statusDeparture(status *document.Element) hub.Departure {
	d := hub.Departure{Reason: status.Value("IdentitetsstatusVarde"), Date: date(status.Value("IdentitetsstatusDatum"))}
	switch d.Reason {
	case "", "AKTIVT", "EJ_AKTUELLT":
		return hub.Departure{}
	}
	switch status.Value("IdentitetsstatusOrsak") {
	case "AVLIDEN":
		d.Reason = "AV"
	case "ERSATT":
		d.Reason = "GS"
	case "FELAKTIGT_REGISTRERAT":
		d.Reason = "AS"
	}
	return d
}
