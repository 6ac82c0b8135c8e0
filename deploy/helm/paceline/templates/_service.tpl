{{/* What is said of one service: common, and its own over it. Takes {root, component}; answers YAML. */}}
{{- define "paceline.service" -}}
{{- $own := index .root.Values.services .component -}}
{{- $service := mergeOverwrite (deepCopy .root.Values.common) (deepCopy $own) -}}
{{- include "paceline.check" (dict "component" .component "service" $service) -}}
{{- toYaml $service -}}
{{- end -}}

{{/* Rules over several values, which a schema cannot say. */}}
{{- define "paceline.check" -}}
{{- $at := printf "services.%s" .component -}}
{{- $scaling := .service.autoscaling -}}
{{- $fewest := .service.replicas -}}
{{- if $scaling.enabled -}}
{{- $fewest = $scaling.minReplicas -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is above maxReplicas" $at) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int $fewest) 1) (ge (int .service.podDisruptionBudget.maxUnavailable) (int $fewest)) -}}
{{- fail (printf "%s.podDisruptionBudget.maxUnavailable must be below the %d replicas" $at (int $fewest)) -}}
{{- end -}}
{{- if eq (int .service.settings.grpc_port) (int .service.settings.metrics_port) -}}
{{- fail (printf "%s.settings.grpc_port and metrics_port are the same" $at) -}}
{{- end -}}
{{- if and .service.settings.tls_required (not .service.tls.existingSecret) -}}
{{- fail (printf "%s.tls.existingSecret is missing although settings.tls_required is true" $at) -}}
{{- end -}}
{{- range $name, $variable := .service.extraEnv -}}
{{- if gt (len $variable) 1 -}}
{{- fail (printf "%s.extraEnv.%s has both value and valueFrom, one of them from common" $at $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $file := .service.files -}}
{{- if and $file.secret $file.configMap -}}
{{- fail (printf "%s.files.%s has both secret and configMap, one of them from common" $at $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A value as its setting reads it: whole numbers whole, lists with commas. */}}
{{- define "paceline.text" -}}
{{- if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . }}{{ $items = append $items (include "paceline.text" .) }}{{ end -}}
{{- join "," $items -}}
{{- else if kindIs "float64" . -}}
{{- toJson . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* Settings as the data of a ConfigMap. Takes the map of settings. */}}
{{- define "paceline.settings" -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) }}
PACELINE_{{ upper $key }}: {{ include "paceline.text" $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Variables from Secrets. Takes the map of references. */}}
{{- define "paceline.secrets" -}}
{{- range $key, $reference := . }}
- name: PACELINE_{{ upper $key }}
  valueFrom:
    secretKeyRef:
      name: {{ $reference.existingSecret }}
      key: {{ $reference.key }}
{{- end -}}
{{- end -}}

{{- define "paceline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "paceline.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "paceline.fileSource" -}}
{{- if .secret -}}
secret:
  secretName: {{ .secret }}
  defaultMode: 0440
{{- else -}}
configMap:
  name: {{ .configMap }}
  defaultMode: 0444
{{- end -}}
{{- end -}}
