package oepsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// getInstance gives a form as XML, or its print as PDF.
func (s *Sim) getInstance(w http.ResponseWriter, r *http.Request) {
	f, _, ok := s.snapshot(r.PathValue("instance"))
	switch as := r.PathValue("as"); {
	case !ok:
		http.NotFound(w, r)
	case as == "xml" && s.fails(XML11):
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		w.Write(f.render(modern))
	case as == "xml":
		w.Header().Set("Content-Type", "text/xml;charset="+f.Kind.flow().prolog.charset)
		w.Write(f.Body)
	case as == "pdf" && s.fails(PrintBroken):
		page(w)
	case as == "pdf":
		download(w, "application/pdf", fmt.Sprintf("%d.pdf", f.Instance))
		w.Write(pdf(f.Kind.flow().Name, fmt.Sprintf("%s %d", f.Version, f.Instance)))
	default:
		http.NotFound(w, r)
	}
}

// getFile gives a file that a form refers to.
func (s *Sim) getFile(w http.ResponseWriter, r *http.Request) {
	f, _, ok := s.snapshot(r.PathValue("instance"))
	at := slices.IndexFunc(f.files, func(file file) bool {
		return strconv.Itoa(file.id) == r.PathValue("file") && strconv.Itoa(file.query) == r.PathValue("query")
	})
	if !ok || at < 0 || s.fails(FileGone) {
		http.NotFound(w, r)
		return
	}
	content := f.files[at].content
	if s.fails(OtherBytes) {
		content = append(slices.Clone(content), "\nnothing that anybody sent in\n"...)
	}
	download(w, "application/octet-stream", "fil")
	if s.fails(CutShort) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:len(content)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(content)
}

func download(w http.ResponseWriter, mediaType, name string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// getStatus gives the status that an instance has.
func (s *Sim) getStatus(w http.ResponseWriter, r *http.Request) {
	f, name, ok := s.snapshot(r.PathValue("instance"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	for _, st := range f.Kind.flow().Statuses {
		if st.Name == name {
			writeLatin1(w, oldProlog.declaration+"<Status><statusID>"+strconv.Itoa(st.ID)+"</statusID><name>"+st.Name+
				"</name><contentType>"+st.ContentType+"</contentType></Status>\n")
		}
	}
}

// getInstances lists the instances of a flow family, or those of them that have a status,
// with the line breaks that platforms put into their numbers.
func (s *Sim) getInstances(w http.ResponseWriter, r *http.Request) {
	var list strings.Builder
	if !s.fails(BareList) {
		list.WriteString(oldProlog.declaration)
	}
	list.WriteString("<FlowInstances>\n")
	for n, i := range s.listed(r) {
		entry := fmt.Sprintf("\t<FlowInstance>\n\t\t<flowInstanceID>%d\n\t\t</flowInstanceID>\n"+
			"\t\t<added>%s</added>\n\t\t<firstSubmitted>%s</firstSubmitted>\n"+
			"\t\t<addedInMilliseconds>%d\n\t\t</addedInMilliseconds>\n"+
			"\t\t<firstSubmittedInMilliseconds>%d\n\t\t</firstSubmittedInMilliseconds>\n\t</FlowInstance>\n",
			i.form.Instance, minute(i.added), minute(i.form.Submitted), i.added.UnixMilli(), i.form.Submitted.UnixMilli())
		list.WriteString(entry)
		if n == 0 && s.fails(TwiceInList) {
			list.WriteString(entry)
		}
	}
	list.WriteString("</FlowInstances>\n")
	writeLatin1(w, list.String())
}

// minute is how a list writes times.
func minute(t time.Time) string { return t.In(hub.Stockholm).Format("2006-01-02 15:04") }

// listed gives the instances that a list asks for, by number: those of a family and,
// where one is named, a status, added on the dates fromDate to toDate where these are given.
func (s *Sim) listed(r *http.Request) []instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to := r.FormValue("fromDate"), r.FormValue("toDate")
	var found []instance
	for _, i := range s.instances {
		day := i.added.In(hub.Stockholm).Format(time.DateOnly)
		status := r.PathValue("status")
		if string(i.form.Kind) == r.PathValue("family") && (status == "" || i.status == status) &&
			day >= from && (to == "" || day <= to) {
			found = append(found, *i)
		}
	}
	slices.SortFunc(found, func(a, b instance) int { return a.form.Instance - b.form.Instance })
	return found
}

// snapshot gives an instance as it is now.
func (s *Sim) snapshot(number string) (f Form, status string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(number)
	if i == nil {
		return Form{}, "", false
	}
	return i.form, i.status, true
}

func writeLatin1(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/xml;charset=ISO-8859-1")
	w.Write(latin1(text))
}
