package form

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// fetchFile is the one kind of hub.Fetch that a form refers to.
const fetchFile = "file"

// takeOut takes the texts at the end of a path out of a tree, and leaves "file 1", "file 2" and so on in
// their places: the bytes of a file are no answer, and nothing that a mapping could say anything about.
func takeOut(tree any, path string) (files map[string]string) {
	files = map[string]string{}
	if path == "" {
		return files
	}
	names := strings.Split(path, ".")
	var walk func(at any, names []string)
	walk = func(at any, names []string) {
		switch at := at.(type) {
		case []any:
			for _, item := range at {
				walk(item, names)
			}
		case map[string]any:
			text, isText := at[names[0]].(string)
			switch {
			case len(names) > 1:
				walk(at[names[0]], names[1:])
			case isText:
				place := "file " + strconv.Itoa(len(files)+1)
				at[names[0]], files[place] = place, text
			}
		}
	}
	walk(tree, names)
	return files
}

// attachments puts the files that came along away, and notes where the others are to be had.
func (p *platform) attachments(ctx context.Context, declared []envelope.File, files map[string]string, b hub.Blobs) ([]hub.Attachment, error) {
	var all []hub.Attachment
	for i, f := range declared {
		a := hub.Attachment{Name: envelope.DisplayName(f.Name, i), Type: envelope.PlainType(f.Type)}
		if f.Size != nil {
			a.Size = *f.Size
		}
		at := fmt.Sprintf("attachments/%d", i)
		switch {
		case (f.Content == nil) == (f.Fetch == nil):
			return nil, &hub.Malformed{Kind: NotUnderstood, Detail: "what the mapping makes of the form has at " + at + " not one of content and fetch"}
		case f.Fetch != nil && p.conf.Files == "":
			return nil, &hub.Malformed{Kind: NotUnderstood, Detail: at + " is to be fetched, and systems.yaml does not say where (files:)"}
		case f.Fetch != nil:
			a.Fetch = hub.Fetch{Kind: fetchFile, File: *f.Fetch}
		default:
			text, there := files[*f.Content]
			if !there {
				return nil, &hub.Malformed{Kind: NotUnderstood, Detail: at + "/content is none of the files that systems.yaml takes out of the form (content:)"}
			}
			blob, err := put(ctx, text, b)
			if err != nil {
				return nil, err
			}
			if !f.Fits(blob) {
				return nil, &hub.Malformed{Kind: AttachmentMismatch, Detail: at + " is not the file that the form says"}
			}
			a.Blob, a.Size = blob, blob.Size
		}
		all = append(all, a)
	}
	return all, nil
}

// put decodes a file as it is sealed.
func put(ctx context.Context, text string, b hub.Blobs) (hub.Blob, error) {
	file := &decoding{from: base64.NewDecoder(base64.StdEncoding.Strict(), strings.NewReader(text))}
	blob, err := b.Put(ctx, file)
	if file.broken {
		return hub.Blob{}, errNotBase64
	}
	if err != nil {
		return hub.Blob{}, fmt.Errorf("put file: %w", err)
	}
	return blob, nil
}

// A decoding remembers that what it read was not base64, whoever hides the error.
type decoding struct {
	from   io.Reader
	broken bool
}

func (d *decoding) Read(b []byte) (int, error) {
	n, err := d.from.Read(b)
	if err != nil && err != io.EOF {
		d.broken, err = true, errNotBase64
	}
	return n, err
}

var errNotBase64 = &hub.Malformed{Kind: AttachmentEncoding, Detail: "a file in the form is not base64"}
