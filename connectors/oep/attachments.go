package oep

import (
	"context"
	"encoding/base64"
	"io"
	"slices"
	"strconv"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// attachments finds the files under the questions and gives each the content that
// came with it. What came is taken out of the answers; what is known of the file
// stays there too.
func (f *form) attachments(received []hub.Blob) []hub.Attachment {
	values := f.root.Path("Values")
	if values == nil {
		return nil
	}
	var all []hub.Attachment
	for _, question := range values.Children {
		for _, file := range question.All("File") {
			if len(file.Children) == 0 {
				continue // a text field that somebody called File
			}
			a := f.attachment(question, file)
			if came := len(file.All("EncodedData")); came > 0 && came <= len(received) {
				f.receive(&a, file, received[:came])
				received = received[came:]
			}
			all = append(all, a)
		}
	}
	return all
}

// attachment describes a file. Until its content is found to have come along, it is
// to be fetched.
func (f *form) attachment(question, file *document.Element) hub.Attachment {
	name := file.Value("Name")
	size, err := strconv.ParseInt(file.Value("Size"), 10, 64)
	if err != nil || size < 0 {
		size = 0 // unknown
	}
	return hub.Attachment{
		Name: name, Type: typeOf(name), Size: size, Question: question.Local(),
		Fetch: hub.Fetch{
			Kind:     fetchFile,
			Instance: f.root.Value("Header/FlowInstanceID"),
			Question: question.Value("QueryID"),
			File:     file.Value("ID"),
		},
	}
}

// receive gives an attachment the content that came with the form.
func (f *form) receive(a *hub.Attachment, file *document.Element, came []hub.Blob) {
	a.Blob, a.Fetch = came[0], hub.Fetch{}
	if len(came) > 1 {
		f.fail(AttachmentRepetition, "the file at line %d has its content twice", file.Line())
	}
	if size := file.Value("Size"); size != "" && a.Size != a.Blob.Size {
		f.fail(AttachmentSize, "the file at line %d is %d bytes and not of the size that the form says",
			file.Line(), a.Blob.Size)
	}
	a.Size = a.Blob.Size
	file.Children = slices.DeleteFunc(file.Children, func(e *document.Element) bool {
		return e.Local() == "EncodedData"
	})
}

// printOf refers to the platform's own print of a form. The platform prints the form
// as it stands when it is asked.
func printOf(instance string) hub.Attachment {
	return hub.Attachment{
		Name: "formular-" + instance + ".pdf", Type: "application/pdf", Print: true,
		Fetch: hub.Fetch{Kind: fetchPrint, Instance: instance},
	}
}

// inlineFiles take the files that stand in a form, as they are read, to the Blobs.
// They come one after the other, in the order of the document.
type inlineFiles struct {
	ctx      context.Context
	blobs    hub.Blobs
	open     *inlineFile
	received []hub.Blob
	failed   error
}

// divert is a document.Divert. Each start tag ends the file before it.
func (f *inlineFiles) divert(path []string) io.Writer {
	if f.open != nil {
		f.end()
	}
	if !isInlineFile(path) {
		return nil
	}
	if f.failed != nil {
		return broken{f.failed}
	}
	f.open = f.put()
	return f.open
}

// isInlineFile recognises FlowInstance/Values/QUESTION/File/EncodedData.
func isInlineFile(path []string) bool {
	return len(path) == 5 && path[1] == "Values" && path[3] == "File" && path[4] == "EncodedData"
}

// put begins to seal a file that is yet to be read.
func (f *inlineFiles) put() *inlineFile {
	content, in := io.Pipe()
	file := &inlineFile{in: in, sealed: make(chan sealed, 1)}
	go func() {
		blob, err := f.blobs.Put(f.ctx, content)
		content.CloseWithError(err) // a Put that gave up must not leave the reading waiting
		file.sealed <- sealed{blob, err}
	}()
	return file
}

// end finishes the file that is open, if any, and gives the first error of them all.
func (f *inlineFiles) end() error {
	if f.open == nil || f.failed != nil {
		return f.failed
	}
	var blob hub.Blob
	blob, f.failed = f.open.close()
	f.received = append(f.received, blob)
	f.open = nil
	return f.failed
}

// abandon lets go of a file that was cut short by a fault in the form.
func (f *inlineFiles) abandon() {
	if f.open != nil {
		f.open.in.CloseWithError(errAbandoned)
		<-f.open.sealed
		f.open = nil
	}
}

var errAbandoned = &hub.Malformed{Kind: AttachmentEncoding, Detail: "a file in the form is cut short"}

// A broken writer ends the reading of a form.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// An inlineFile decodes base64 as it comes and hands it on. The decoder of the
// standard library would take text after the padding where that falls between two
// of its reads, and no blanks.
type inlineFile struct {
	in     *io.PipeWriter
	sealed chan sealed

	quads  []byte // base64 that is not decoded yet
	bytes  []byte // decoded
	padded bool   // no more may come
}

type sealed struct {
	blob hub.Blob
	err  error
}

func (f *inlineFile) Write(text []byte) (int, error) {
	for _, c := range text {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			f.quads = append(f.quads, c)
		}
	}
	whole := len(f.quads) / 4 * 4
	if f.padded && len(f.quads) > 0 {
		return 0, errNotBase64
	}
	if whole == 0 {
		return len(text), nil
	}
	f.bytes = slices.Grow(f.bytes[:0], base64.StdEncoding.DecodedLen(whole))
	n, err := base64.StdEncoding.Decode(f.bytes[:cap(f.bytes)], f.quads[:whole])
	if err != nil {
		return 0, errNotBase64
	}
	f.padded = f.quads[whole-1] == '='
	f.quads = f.quads[:copy(f.quads, f.quads[whole:])]
	if _, err := f.in.Write(f.bytes[:n]); err != nil {
		return 0, err
	}
	return len(text), nil
}

var errNotBase64 = &hub.Malformed{Kind: AttachmentEncoding, Detail: "a file in the form is not base64"}

// close ends the file and waits until it is sealed.
func (f *inlineFile) close() (hub.Blob, error) {
	if len(f.quads) > 0 {
		f.in.CloseWithError(errNotBase64)
		<-f.sealed
		return hub.Blob{}, errNotBase64
	}
	f.in.Close()
	s := <-f.sealed
	return s.blob, s.err
}
