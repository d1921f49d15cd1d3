package hub

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

// inspect holds a form with a file that is not what it says: a page or a program that
// is called a PDF, a drawing with a script in it. Only what is known to be something
// else is held. What nobody can tell passes, and so does a file that is wrong further
// in: this is no virus check.
func (j *journey) inspect(ctx context.Context) error {
	for i, a := range j.known.Submission.Attachments {
		says := claimed(a.Type, a.Name)
		if len(says) == 0 || a.Blob.Size == 0 {
			continue
		}
		start, err := j.start(ctx, a.Blob, says)
		if err != nil {
			return err
		}
		if fault := disguised(says, start); fault != "" {
			return stop(ReasonRule, "file %d says that it is %s", i+1, fault)
		}
	}
	return nil
}

// start reads as much of a file as it takes to know what it is.
func (j *journey) start(ctx context.Context, b Blob, says []string) ([]byte, error) {
	file, err := j.Store.Open(ctx, AsHub(), j.known.Submission.ID, b)
	if err != nil {
		return nil, damaged(err)
	}
	defer file.Close()
	most := int64(512)
	if slices.Contains(says, aDrawing) {
		most = 1 << 20 // a script may stand anywhere in it
	}
	start, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return nil, damaged(err)
	}
	return start, nil
}

// Kinds of file, in the words of the note that a person reads. They are the hub's own,
// never the caller's.
const (
	aPDF         = "a PDF"
	aPicture     = "a picture"
	anOfficeFile = "an Office document"
	anArchive    = "an archive"
	aDrawing     = "an SVG drawing"
	someXML      = "XML"
	someText     = "text"
	aPage        = "an HTML page"
	aProgram     = "a program"
)

// kinds are what a file says that it is, by its media type or its ending. What is not
// here may look like anything.
var kinds = map[string]string{
	"application/pdf": aPDF, ".pdf": aPDF,
	"image/jpeg": aPicture, "image/png": aPicture, "image/gif": aPicture, "image/webp": aPicture, "image/bmp": aPicture,
	"image/tiff": aPicture, "image/heic": aPicture, ".jpg": aPicture, ".jpeg": aPicture, ".png": aPicture, ".gif": aPicture,
	".webp": aPicture, ".bmp": aPicture, ".tif": aPicture, ".tiff": aPicture, ".heic": aPicture,
	"application/msword": anOfficeFile, ".doc": anOfficeFile, ".xls": anOfficeFile, ".ppt": anOfficeFile, ".docx": anOfficeFile, ".xlsx": anOfficeFile,
	".pptx": anOfficeFile, ".odt": anOfficeFile, ".ods": anOfficeFile, ".odp": anOfficeFile,
	"application/zip": anArchive, ".zip": anArchive,
	"image/svg+xml": aDrawing, ".svg": aDrawing,
	"application/xml": someXML, "text/xml": someXML, ".xml": someXML,
	"text/plain": someText, "text/csv": someText, ".txt": someText, ".csv": someText,
}

// looks are what a file of each kind may look like, when it looks like anything. What
// begins with a comment is an HTML page to who sees no further.
var looks = map[string][]string{
	aPDF: {aPDF}, aPicture: {aPicture}, anOfficeFile: {anArchive, someXML}, anArchive: {anArchive},
	aDrawing: {someXML, aPage}, someXML: {someXML, aPage}, someText: {someXML},
}

// claimed gives the kinds that a file says that it is, by its type and by its name.
func claimed(mediaType, name string) []string {
	var says []string
	for _, word := range []string{mediaType, path.Ext(name)} {
		if kind := kinds[strings.ToLower(word)]; kind != "" && !slices.Contains(says, kind) {
			says = append(says, kind)
		}
	}
	return says
}

// disguised tells what is wrong with a file that says that it is these kinds and begins
// like this; "" when nothing is.
func disguised(says []string, start []byte) string {
	is := seen(start)
	for _, kind := range says {
		if is != "" && !slices.Contains(looks[kind], is) {
			return kind + ", and looks like " + is
		}
		if kind == aDrawing && scripted.Match(start) {
			return kind + ", and has a script in it"
		}
	}
	return ""
}

// seen gives what a file looks like, "" when it looks like nothing in particular, as
// plain text does.
func seen(start []byte) string {
	start = bytes.TrimPrefix(start, []byte("\xEF\xBB\xBF"))
	found, _, _ := strings.Cut(http.DetectContentType(start), ";")
	switch {
	case found == "application/pdf":
		return aPDF
	case found == "text/html":
		return aPage
	case found == "text/xml":
		return someXML
	case found == "application/zip", found == "application/x-gzip", found == "application/x-rar-compressed":
		return anArchive
	case found == "application/wasm", found == "application/octet-stream" && machine.Match(start), bytes.HasPrefix(start, []byte("#!")):
		return aProgram
	case strings.HasPrefix(found, "image/"):
		return aPicture
	}
	return ""
}

// machine is how programs begin: of Windows, Linux and macOS, and of Java.
var machine = regexp.MustCompile(`^(?:MZ|\x7FELF|[\xCE\xCF]\xFA\xED\xFE|\xCA\xFE\xBA\xBE)`)

// scripted finds what makes a drawing act, and UTF-16, in which it would not be found.
var scripted = regexp.MustCompile(`(?i)<([a-z0-9]+:)?script|<([a-z0-9]+:)?foreignobject|[\s"'/]on[a-z]+\s*=|javascript:|<!entity|\x00`)
