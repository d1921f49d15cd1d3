package bus

import (
	"log/slog"

	"github.com/ThreeDotsLabs/watermill"
)

// logger lets through what Watermill has to say, and of its fields only those that
// name a topic or a message: others hold payloads.
type logger struct{ log *slog.Logger }

func (l logger) Error(msg string, _ error, f watermill.LogFields) {
	l.log.Error("bus: "+msg, allowed(f)...)
}
func (l logger) Info(msg string, f watermill.LogFields) { l.log.Debug("bus: "+msg, allowed(f)...) }
func (l logger) Debug(string, watermill.LogFields)      {}
func (l logger) Trace(string, watermill.LogFields)      {}

func (l logger) With(f watermill.LogFields) watermill.LoggerAdapter {
	return logger{l.log.With(allowed(f)...)}
}

func allowed(f watermill.LogFields) []any {
	var kept []any
	for _, name := range []string{"topic", "message_uuid"} {
		if v, ok := f[name]; ok {
			kept = append(kept, name, v)
		}
	}
	return kept
}
