package oep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The namespaces of a form: today's, and an older one that is still about.
var formSpaces = []string{
	"http://www.oeplatform.org/version/2.0/schemas/flowinstance",
	"http://www.oeplatform.org/version/1.2/schemas/flowinstance",
}

// aboutForm is the one name among the answers that is not a question's: what the
// form says beside them. No XML element can be called so.
const aboutForm = "$form"

// Read makes a Submission of a FlowInstance. The answers keep the XML's own names,
// QueryID and Name among them, and every blank. Persons are found by the route, not
// here. Beside the questions the answers have $form: the flow's Name, when the form
// was FirstSubmitted, its Signatures, always a list, and its extra Parameters by
// name. What else the header says may change at the platform from one export to the
// next, and so is no part of what makes two forms the same.
//
// The kinds of *hub.Malformed are those of document.Kind and the constants here.
func (p *platform) Read(ctx context.Context, in hub.Incoming, b hub.Blobs) (hub.Submission, error) {
	files := inlineFiles{ctx: ctx, blobs: b}
	defer files.abandon()
	root, err := document.ReadXMLDiverting(in.Body, document.Limits{}, files.divert)
	if err == nil {
		err = files.end()
	}
	if err != nil {
		return hub.Submission{}, unreadable(err)
	}
	if root.Local() != "FlowInstance" || !slices.Contains(formSpaces, root.Space()) {
		return hub.Submission{}, &hub.Malformed{
			Kind: NotAForm, Detail: "the document is not a FlowInstance of Open ePlatform, version 2.0",
		}
	}
	f := form{root: root}
	s := p.submission(&f)
	s.Attachments = f.attachments(files.received)
	if p.conf.Print == nil || *p.conf.Print {
		s.Attachments = append(s.Attachments, printOf(s.Source.ID))
	}
	s.Answers = hub.NewAnswers(f.answers())
	if f.fault != nil {
		return hub.Submission{}, f.fault
	}
	return s, nil
}

// The ways in which a well-formed document is no form that can be received.
const (
	NotAForm             = "not-a-flowinstance"
	ElementMissing       = "element-missing"
	ElementRepeated      = "element-repeated"
	ElementInvalid       = "element-invalid"
	MunicipalityMissing  = "municipality-missing"
	MunicipalityInvalid  = "municipality-invalid"
	AttachmentEncoding   = "attachment-encoding"   // not base64
	AttachmentSize       = "attachment-size"       // not as large as the form says
	AttachmentRepetition = "attachment-repetition" // the content of one file twice
)

// unreadable keeps what an error says to whoever sent the form.
func unreadable(err error) error {
	var broken *document.SyntaxError
	if errors.As(err, &broken) {
		return &hub.Malformed{Kind: string(broken.Kind), Detail: broken.Error()}
	}
	var malformed *hub.Malformed
	if errors.As(err, &malformed) {
		return malformed
	}
	return fmt.Errorf("read form: %w", err)
}

func (p *platform) submission(f *form) hub.Submission {
	for _, once := range []string{"Header", "Header/Flow", "Values"} {
		f.one(once)
	}
	s := hub.Submission{
		Municipality: p.conf.Municipality,
		Service:      f.number("Header/Flow/FamilyID"),
		Source:       hub.Ref{System: p.ID, ID: f.number("Header/FlowInstanceID")},
	}
	s.Source.Version, s.Submitted = f.localTime("Header/LastSubmitted")
	if f.root.Path("Header/Flow/Version") != nil {
		s.FormVersion = f.number("Header/Flow/Version")
	}
	if s.Municipality == "" {
		s.Municipality = f.municipality(p.conf.Parameter)
	}
	return s
}

// A form is a FlowInstance that is being read. Its first fault is kept, so that the
// reading needs no check at every step.
type form struct {
	root  *document.Element
	fault error
}

func (f *form) fail(kind, format string, args ...any) {
	if f.fault == nil {
		f.fault = &hub.Malformed{Kind: kind, Detail: fmt.Sprintf(format, args...)}
	}
}

// one gives the only element at the end of a path. A form in which what decides
// whose it is stands twice is read in two ways by two systems, so it is read by none.
func (f *form) one(path string) *document.Element {
	all := f.root.All(path)
	switch len(all) {
	case 0:
		f.fail(ElementMissing, "the form has no %s", path)
		return nil
	case 1:
		return all[0]
	}
	f.fail(ElementRepeated, "the form has %s twice, at line %d", path, all[1].Line())
	return nil
}

// text gives the text of the only element at the end of a path, and its line.
func (f *form) text(path string) (text string, line int) {
	e := f.one(path)
	if e == nil {
		return "", 0
	}
	text = strings.TrimSpace(e.Text)
	if text == "" || len(e.Children) > 0 {
		f.fail(ElementInvalid, "%s has no value, at line %d", path, e.Line())
	}
	return text, e.Line()
}

// number gives a positive integer as the platform writes it. Any other spelling of
// the same number would make another form of the same form.
func (f *form) number(path string) string {
	text, line := f.text(path)
	if !isNumber(text) {
		f.fail(ElementInvalid, "%s is no positive integer, at line %d", path, line)
	}
	return text
}

func isNumber(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// localTime reads an xs:dateTime, and gives it as it is written, too. Without a zone
// it is Swedish local time.
func (f *form) localTime(path string) (text string, t time.Time) {
	text, line := f.text(path)
	t, err := time.ParseInLocation("2006-01-02T15:04:05", text, hub.Stockholm)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		f.fail(ElementInvalid, "%s is no time, at line %d", path, line)
	}
	return text, t
}

// municipality reads the extra parameter that says whose form it is.
func (f *form) municipality(parameter string) hub.Municipality {
	code := ""
	for _, e := range f.parameters() {
		if e.Value("Name") != parameter {
			continue
		}
		switch value := e.Value("Value"); {
		case !isMunicipality(value):
			f.fail(MunicipalityInvalid, "the parameter %s is no kommunkod, at line %d", parameter, e.Line())
		case code != "" && code != value:
			f.fail(MunicipalityInvalid, "the parameter %s says two things, at line %d", parameter, e.Line())
		default:
			code = value
		}
	}
	if code == "" {
		f.fail(MunicipalityMissing, "the form has no parameter %s, which says whose it is", parameter)
	}
	return hub.Municipality(code)
}

func (f *form) parameters() []*document.Element {
	return f.root.All("ExtraParameters/Parameters/Parameter")
}

func isMunicipality(s string) bool {
	return len(s) == 4 && strings.Trim(s, "0123456789") == ""
}

// answers gives the tree of the questions, and beside them what the form says of
// itself.
func (f *form) answers() map[string]any {
	answers, has := f.root.Path("Values").Tree().(map[string]any)
	if !has {
		answers = map[string]any{}
	}
	about := map[string]any{"Name": f.root.Value("Header/Flow/Name")}
	if first := f.root.Value("Header/FirstSubmitted"); first != "" {
		about["FirstSubmitted"] = first
	}
	if signed := f.root.All("SigningEvents/SignEvent"); len(signed) > 0 {
		signatures := make([]any, len(signed))
		for i, e := range signed {
			signatures[i] = e.Tree()
		}
		about["Signatures"] = signatures
	}
	if parameters := f.parameters(); len(parameters) > 0 {
		values := make(map[string]any, len(parameters))
		for _, e := range parameters {
			values[e.Value("Name")] = e.Value("Value")
		}
		about["Parameters"] = values
	}
	answers[aboutForm] = about
	return answers
}
