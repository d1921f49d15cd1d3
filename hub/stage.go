package hub

import (
	"context"
	"errors"
)

// A Stage is one stretch of the work on a submission, for who traces how long each took. It
// names ids only.
type Stage struct {
	Name         string // one of StageNames
	Submission   ID
	Case         CaseID
	Municipality Municipality
	Key          Key      // of a delivery; "" while the submission is enriched
	System       SystemID // whose the delivery is, or is to be
}

// The closed list of what a Stage is called.
const (
	StageEnrich   = "enrich"   // until it is planned, held or put off
	StageRender   = "render"   // one document, within the enrichment or a delivery
	StageDelivery = "delivery" // one try of a row: to deliver, or to ask about an earlier try
	StageTelling  = "telling"  // one try to tell somebody of a Status
)

// An Outcome says what a Stage came to.
type Outcome struct {
	Name   string // one of OutcomeNames
	Reason Reason // of what is held
}

// OutcomeNames is the closed list of what a Stage comes to: what the enrichment does, the
// four Answers, the Findings, "made" of a document, and "lost" where somebody else has moved
// the row on.
var OutcomeNames = []string{
	"planned", "postponed", "held", string(Yes), string(No), string(NotNow), string(DontKnow),
	string(Found), string(NotThere), string(CannotTell), string(OutOfOrder), string(Broken), "made", "lost",
}

// stage begins a Stage for who traces, and gives what ends it.
func (h *Hub) stage(ctx context.Context, s Stage) (context.Context, func(Outcome)) {
	if h.Trace == nil {
		return ctx, func(Outcome) {}
	}
	return h.Trace(ctx, s)
}

// stageOf is the Stage of a row in hand.
func stageOf(c Case, p Progress) Stage {
	s := Stage{StageEnrich, p.Submission, c.ID, c.Municipality, "", p.System}
	switch p.Kind {
	case DocumentKind:
		s.Name, s.Key = StageDelivery, p.Key
	case TellingKind:
		s.Name, s.Key = StageTelling, p.Key
	}
	return s
}

// outcomeOf reads what the work on a row came to.
func outcomeOf(e Event) Outcome {
	switch e := e.(type) {
	case Planned:
		return Outcome{Name: "planned"}
	case Postponed:
		return Outcome{Name: "postponed"}
	case Stopped:
		return Outcome{"held", e.Reason}
	case Answered:
		return Outcome{string(e.Answer), e.Reason}
	case Asked:
		return Outcome{Name: string(e.Finding)}
	}
	return Outcome{Name: "lost"}
}

// make makes a leg's document of what is known.
func (h *Hub) make(ctx context.Context, c Case, leg Leg, known Known) (Document, error) {
	_, done := h.stage(ctx, Stage{StageRender, known.Submission.ID, c.ID, c.Municipality, known.Key, leg.To})
	doc, err := leg.Mapping.Render(known)
	if err == nil {
		done(Outcome{Name: "made"})
		return doc, nil
	}
	err = unrenderable(err)
	var stop *stopped
	errors.As(err, &stop)
	done(Outcome{"held", stop.reason})
	return doc, err
}
