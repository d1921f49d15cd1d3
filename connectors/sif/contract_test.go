package sif_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/connectors/sif"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// formats opens a file of the vendor's contract, which is not part of the project.
func formats(t *testing.T, name string) []byte {
	t.Helper()
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS does not say where the vendor's contract is")
	}
	text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRequestsFollowTheContract makes a delivery of every kind of call and holds each request against
// the skeletons of the JSON RPC and the types of the SOAP contract.
func TestRequestsFollowTheContract(t *testing.T) {
	formats(t, "diarium/public360/rpc-json/CaseService/CreateCaseArgs.json")
	sim, err := sifsim.New(sifsim.Options{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	requests := map[string]map[string]any{} // parameter by method
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var request map[string]map[string]any
		if err := json.Unmarshal(body, &request); err != nil || len(request) != 1 {
			t.Errorf("%s: the body is no {\"parameter\": …}", r.URL.Path)
		}
		requests[strings.TrimPrefix(r.URL.Path, "/")] = request["parameter"]
		r.Body = io.NopCloser(bytes.NewReader(body))
		sim.ServeHTTP(w, r)
	}))
	defer server.Close()
	system := opened(t, env(server.Client(), nil), sif.Config{URL: server.URL, AuthKey: hub.NewSecret("nyckel")})
	d := caseDelivery("01JH-diarium")
	d.Files = append(d.Files, largeFile("Film", 21<<20)) // so that UpdateDocument is called
	if _, err := system.Destination.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := system.Destination.Find(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, _, err := system.Tracker.Changes(t.Context(), "2026-01-15T07:00:00.000Z"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"CaseService/CreateCase", "CaseService/GetCases", "ContactService/SynchronizeEnterprise",
		"ContactService/SynchronizePrivatePerson", "DocumentService/CreateDocument", "DocumentService/GetDocuments",
		"DocumentService/UpdateDocument",
	}
	if got := slices.Sorted(maps.Keys(requests)); !slices.Equal(got, want) {
		t.Errorf("called %v, want %v", got, want)
	}
	for method, parameter := range requests {
		service, name, _ := strings.Cut(method, "/")
		if skeleton := skeletonOf(t, method); skeleton != nil {
			fits(t, method+" (RPC)", parameter, skeleton)
		}
		if soap := typesOf(t, service).parameterOf(name); soap != nil {
			soap.holds(t, method+" (SOAP)", parameter)
		} else {
			t.Errorf("the SOAP contract has no type for %s", method)
		}
	}
}

// TestShippedMappings delivers what the mappings of mappings/diarium want to be sent, as their own tests
// have it.
func TestShippedMappings(t *testing.T) {
	wanted, err := filepath.Glob("../../mappings/diarium/*.test/*/want.json")
	if err != nil || len(wanted) == 0 {
		t.Fatalf("no tests of mappings were found: %v", err)
	}
	caseNumber := regexp.MustCompile(`"CaseNumber": "[^"]+"`)
	for _, file := range wanted {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(file)))+"/"+filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				tw := newTown(t, sifsim.Options{}, sif.Config{})
				d := caseDelivery("01JH-diarium")
				if caseNumber.Match(text) {
					first, _ := tw.settle(caseDelivery("01JG-diarium"))
					text = caseNumber.ReplaceAll(text, []byte(`"CaseNumber": "`+first.Number+`"`))
					d.Operation = "document"
				}
				d.Document = hub.NewDocument("application/json", text)
				if _, err := tw.deliver(d); err != nil {
					t.Error(err)
				}
				if strings.HasPrefix(filepath.Base(filepath.Dir(file)), "skyddad") {
					for _, e := range tw.sim.Ledger() {
						if made := e.Key == string(d.Key) || e.Kind == sifsim.CaseEntry && d.Operation == "case"; made && e.Access != "recno:2 OSL 21:3" {
							t.Errorf("the %s of a protected person has the access %q", e.Kind, e.Access)
						}
					}
				}
			})
		})
	}
}

// skeletonOf reads the example of a call's parameter; nil where there is none.
func skeletonOf(t *testing.T, method string) any {
	file := filepath.Join(os.Getenv("KNUTPUNKT_FORMATS"), "diarium/public360/rpc-json", filepath.FromSlash(method)+"Args.json")
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	var skeleton any
	if err := json.Unmarshal(text, &skeleton); err != nil {
		t.Fatal(method)
	}
	return skeleton
}

// fits demands of every value the name and the JSON type that the skeleton has.
func fits(t *testing.T, place string, got, skeleton any) {
	t.Helper()
	switch skeleton := skeleton.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is no object", place)
		}
		for name, value := range object {
			if skeleton[name] == nil {
				t.Errorf("%s.%s is no field", place, name)
				continue
			}
			fits(t, place+"."+name, value, skeleton[name])
		}
	case []any:
		list, ok := got.([]any)
		if !ok {
			t.Errorf("%s is no list", place)
		}
		for _, item := range list {
			fits(t, place, item, skeleton[0])
		}
	case string:
		if _, ok := got.(string); !ok {
			t.Errorf("%s is no text", place)
		}
	case float64:
		if _, ok := got.(float64); !ok {
			t.Errorf("%s is no number", place)
		}
	case bool:
		if _, ok := got.(bool); !ok {
			t.Errorf("%s is neither true nor false", place)
		}
	}
}

// soapTypes are the complex types of one WSDL, by name.
type soapTypes map[string]*document.Element

func typesOf(t *testing.T, service string) soapTypes {
	root, err := document.ReadXML(bytes.NewReader(formats(t, "diarium/public360/soap/"+service+".wsdl")), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	types := soapTypes{}
	for _, schema := range root.All("types/schema") {
		for _, complexType := range schema.All("complexType") {
			types[complexType.Attr("name")] = complexType
		}
	}
	return types
}

type soapType struct {
	types soapTypes
	name  string
}

// parameterOf finds the type of a call's parameter.
func (types soapTypes) parameterOf(method string) *soapType {
	for _, name := range []string{method + "Parameter", method + "Query"} {
		if types[name] != nil {
			return &soapType{types, name}
		}
	}
	return nil
}

// fields gives the elements of a type and of those that it extends: their types by name.
func (s soapType) fields() map[string]string {
	found := map[string]string{}
	complexType := s.types[s.name]
	extension := complexType.Path("complexContent/extension")
	if base := extension.Attr("base"); base != "" {
		found = soapType{s.types, local(base)}.fields()
	}
	for _, e := range append(complexType.All("sequence/element"), extension.All("sequence/element")...) {
		found[e.Attr("name")] = local(e.Attr("type"))
	}
	return found
}

func (s soapType) holds(t *testing.T, place string, got any) {
	t.Helper()
	if item, isList := strings.CutPrefix(s.name, "ArrayOf"); isList {
		list, _ := got.([]any)
		for _, e := range list {
			soapType{s.types, item}.holds(t, place, e)
		}
		return
	}
	ok := true
	switch s.name {
	case "string", "base64Binary":
		_, ok = got.(string)
	case "dateTime":
		text, _ := got.(string)
		_, err := time.Parse(time.RFC3339, text)
		ok = err == nil
	case "int":
		n, isNumber := got.(float64)
		ok = isNumber && n == float64(int32(n))
	case "boolean":
		_, ok = got.(bool)
	default:
		object, isObject := got.(map[string]any)
		if ok = isObject && s.types[s.name] != nil; !ok {
			break
		}
		fields := s.fields()
		for name, value := range object {
			// IncludeFiles came with the JSON RPC, and Files[].Files fields are the same in both.
			if fields[name] == "" && name != "IncludeFiles" {
				t.Errorf("%s.%s is no field of %s", place, name, s.name)
				continue
			}
			if fields[name] != "" {
				soapType{s.types, fields[name]}.holds(t, place+"."+name, value)
			}
		}
	}
	if !ok {
		t.Errorf("%s is no %s", place, s.name)
	}
}

func local(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// An exchange is a recorded conversation.
type exchange struct {
	Steps []struct {
		Request struct {
			Path    string
			Headers map[string]string
			Body    struct{ Parameter map[string]any }
		}
		Response struct {
			Status int
			Body   json.RawMessage
		}
	}
}

// replay gives a client of a server that wants the requests of the exchange, in order, and answers as it does.
func replay(t *testing.T, x exchange) (*http.Client, func() int) {
	step := 0
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if step == len(x.Steps) {
			t.Errorf("a request more than there are: %s", r.URL.Path)
			return nil, io.EOF
		}
		s := x.Steps[step]
		step++
		if got := r.URL.RequestURI(); got != s.Request.Path {
			t.Errorf("step %d calls %s, want %s", step, got, s.Request.Path)
		}
		for name, want := range s.Request.Headers {
			if got := r.Header.Get(name); got != strings.ReplaceAll(want, "{{AUTHKEY}}", "nyckel") {
				t.Errorf("step %d has the header %s: %q, want %q", step, name, got, want)
			}
		}
		body, _ := io.ReadAll(r.Body)
		if int64(len(body)) != r.ContentLength {
			t.Errorf("step %d: %d bytes, announced as %d", step, len(body), r.ContentLength)
		}
		var got struct{ Parameter map[string]any }
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("step %d is no JSON", step)
		}
		if diff := cmp.Diff(s.Request.Body.Parameter, got.Parameter); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", step, diff)
		}
		return &http.Response{StatusCode: s.Response.Status, Body: io.NopCloser(bytes.NewReader(s.Response.Body)), Request: r}, nil
	})}, func() int { return step }
}

func readExchange(t *testing.T, name string) exchange {
	var x exchange
	if err := json.Unmarshal(formats(t, "handmade/"+name), &x); err != nil {
		t.Fatal("the exchange cannot be read")
	}
	return x
}

// deliveryOf makes the delivery whose calls are those of the exchange of a created case.
func deliveryOf(t *testing.T, x exchange) hub.Delivery {
	person := x.Steps[0].Request.Body.Parameter
	newCase := maps.Clone(x.Steps[2].Request.Body.Parameter)
	key := newCase["ExternalId"].(map[string]any)["Id"].(string)
	delete(newCase, "ExternalId")
	doc := maps.Clone(x.Steps[3].Request.Body.Parameter)
	file := maps.Clone(doc["Files"].([]any)[0].(map[string]any))
	content := file["Base64Data"].(string)
	delete(file, "Base64Data")
	delete(file, "Note")
	delete(doc, "CaseNumber")
	delete(doc, "Files")
	text, err := json.Marshal(map[string]any{
		"contacts": []any{map[string]any{"ref": "sökande", "person": person}},
		"case":     newCase, "document": doc, "files": map[string]any{"form": file},
	})
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"ReferenceNumber":"recno:200451"`), []byte(`"ReferenceNumber":"ref:sökande"`))
	var bytesOf []byte
	json.Unmarshal([]byte(`"`+content+`"`), &bytesOf)
	return hub.Delivery{
		Key: hub.Key(key), Operation: "case", Document: hub.NewDocument("application/json", text),
		Files: []hub.File{printed(aFile("formulär.pdf", "application/pdf", string(bytesOf)))},
	}
}

func replayed(t *testing.T, x exchange) (hub.System, func() int) {
	client, steps := replay(t, x)
	return opened(t, env(client, slog.New(slog.DiscardHandler)), sif.Config{
		URL: "http://public360.example", AuthKey: hub.NewSecret("nyckel"), ClientID: "knutpunkt",
	}), steps
}

func TestExchangeOfACase(t *testing.T) {
	x := readExchange(t, "sif-createcase-exchange.json")
	system, steps := replayed(t, x)
	r, err := system.Destination.Deliver(t.Context(), deliveryOf(t, x))
	if err != nil || r.Number != "BUN 2026/00123" || r.Parts[0].Ref != "BUN 2026/00123-1" || steps() != len(x.Steps) {
		t.Errorf("%+v, %v after %d of %d steps", r, err, steps(), len(x.Steps))
	}
}

func TestExchangeOfTwoHits(t *testing.T) {
	x := readExchange(t, "sif-getcases-two-hits-exchange.json")
	x.Steps = append(x.Steps, x.Steps[0])
	system, _ := replayed(t, x)
	d := hub.Delivery{Key: "kp-01jhk7-diarium", Operation: "case", Document: hub.NewDocument("application/json", []byte(`{"case":{"Title":"x"}}`))}
	_, err := system.Destination.Deliver(t.Context(), d)
	if a, _, _ := hub.AnswerOf(hub.Receipt{}, err); a != hub.DontKnow {
		t.Errorf("the answer is %s: %v", a, err)
	}
	if _, err := system.Destination.Find(t.Context(), d); !strings.Contains(err.Error(), hub.ErrCannotTell.Error()) {
		t.Errorf("find: %v", err)
	}
}

// TestExchangeOfRefusals answers a whole delivery with each of the recorded refusals in its place.
func TestExchangeOfRefusals(t *testing.T) {
	created, refused := readExchange(t, "sif-createcase-exchange.json"), readExchange(t, "sif-refused-exchange.json")
	for i, at := range []int{2, 3} { // CreateCase, CreateDocument
		x := exchange{Steps: slices.Clone(created.Steps[:at+1])}
		x.Steps[at].Response = refused.Steps[i].Response
		system, _ := replayed(t, x)
		_, err := system.Destination.Deliver(t.Context(), deliveryOf(t, created))
		if a, _, _ := hub.AnswerOf(hub.Receipt{}, err); a != hub.No || strings.Contains(err.Error(), "99999") {
			t.Errorf("refusal %d: the answer is %s: %v", i, a, err)
		}
	}
}
