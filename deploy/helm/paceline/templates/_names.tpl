{{/* The name that every object of the release begins with; leaves room for the longest service. */}}
{{- define "paceline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 41 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{/* What tells the pods of one component apart for ever. Takes {root, component}, and {pin} of a pinned feed. */}}
{{- define "paceline.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pin }}
paceline/pin: {{ . }}
{{- end }}
{{- end -}}

{{- define "paceline.labels" -}}
{{ include "paceline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: paceline
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The image of one component. Takes {root, component, image}. */}}
{{- define "paceline.image" -}}
{{- $repository := .image.repository | default (printf "paceline/%s" .component) -}}
{{- $version := .image.tag | default .root.Chart.AppVersion -}}
{{- printf "%s/%s" .image.registry $repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $version }}{{ end -}}
{{- end -}}
