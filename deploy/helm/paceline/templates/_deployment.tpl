{{/* Takes {root, component, service, name}; where they differ from those: {program, serviceAccount, pin}. */}}
{{- define "paceline.deployment" -}}
{{- $service := .service -}}
{{- $settings := $service.settings -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "paceline.labels" . | nindent 4 }}
spec:
  {{- if not $service.autoscaling.enabled }}
  replicas: {{ $service.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "paceline.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "paceline.pod.labels" . | nindent 8 }}
      annotations:
        {{- include "paceline.pod.annotations" . | nindent 8 }}
    spec:
      serviceAccountName: {{ .serviceAccount | default .name }}
      automountServiceAccountToken: false
      # The links of a release named paceline would look like settings: PACELINE_FEED_PORT=tcp://…
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ add (ceil $settings.drain_s) $service.preStopSleepSeconds 10 }}
      {{- with $service.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $service.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "paceline.podSecurity" . | nindent 8 }}
      {{- with $service.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "paceline.spread" . | indent 6 }}
      containers:
        - name: {{ .component }}
          image: {{ include "paceline.image" (dict "root" .root "component" (.program | default .component) "image" $service.image) }}
          imagePullPolicy: {{ $service.image.pullPolicy }}
          securityContext:
            {{- include "paceline.containerSecurity" . | nindent 12 }}
          ports:
            - name: grpc
              containerPort: {{ $settings.grpc_port }}
              protocol: TCP
            - name: metrics
              containerPort: {{ $settings.metrics_port }}
              protocol: TCP
          envFrom:
            - configMapRef:
                name: {{ .name }}
          env:
            {{- include "paceline.variables" . | nindent 12 }}
          {{- include "paceline.probes" . | nindent 10 }}
          {{- if and $service.preStopSleepSeconds (semverCompare ">=1.30-0" .root.Capabilities.KubeVersion.Version) }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $service.preStopSleepSeconds }}
          {{- end }}
          resources:
            {{- toYaml $service.resources | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if $service.tls.existingSecret }}
            - name: tls
              mountPath: /etc/paceline/tls
              readOnly: true
            {{- end }}
            {{- range $name, $file := $service.files }}
            - name: file-{{ $name }}
              mountPath: {{ $file.mountPath }}
              readOnly: true
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- if $service.tls.existingSecret }}
        - name: tls
          secret:
            secretName: {{ $service.tls.existingSecret }}
            defaultMode: 0440
        {{- end }}
        {{- range $name, $file := $service.files }}
        - name: file-{{ $name }}
          {{- include "paceline.fileSource" $file | nindent 10 }}
        {{- end }}
{{- end -}}

{{/* Own labels win, so that none can stray from the selector; a new chart alone makes no new pods. */}}
{{- define "paceline.pod.labels" -}}
{{- $own := include "paceline.selector" . | fromYaml -}}
{{- $version := dict "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- toYaml (merge $own $version (.service.podLabels | default dict)) -}}
{{- end -}}

{{- define "paceline.pod.annotations" -}}
kubectl.kubernetes.io/default-container: {{ .component }}
{{- /* Settings are read once: a change is a new pod. */}}
paceline/settings: {{ include "paceline.settings" .service.settings | sha256sum }}
{{- if .root.Values.metrics.annotations }}
prometheus.io/scrape: "true"
prometheus.io/path: /metrics
prometheus.io/port: {{ .service.settings.metrics_port | toString | quote }}
{{- end }}
{{- with .service.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "paceline.variables" -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- $pod := ternary "[$(POD_IP)]" "$(POD_IP)" (eq .service.settings.grpc_host "[::]") }}
{{- /* Callers dial the pod that holds the lease, so it is the pod's address that stands in the lease. */}}
- name: PACELINE_ADVERTISE_ADDRESS
  value: {{ printf "%s:%d" $pod (int .service.settings.grpc_port) | quote }}
{{- include "paceline.secrets" .service.secrets }}
{{- if .service.tls.existingSecret }}
- name: PACELINE_TLS_CERTIFICATE_FILE
  value: /etc/paceline/tls/{{ .service.tls.certificateKey }}
- name: PACELINE_TLS_KEY_FILE
  value: /etc/paceline/tls/{{ .service.tls.keyKey }}
- name: PACELINE_TLS_AUTHORITY_FILE
  value: /etc/paceline/tls/{{ .service.tls.authorityKey }}
{{- end }}
{{- range $name, $variable := .service.extraEnv }}
- name: {{ $name }}
  {{- toYaml $variable | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Alive is a loop that answers; ready is a gRPC door that serves. A liveness probe on the gRPC health would
restart every pod whenever PostgreSQL is away, and a kubelet cannot speak TLS to a gRPC door at all.
*/}}
{{- define "paceline.probes" -}}
{{- $alive := dict "httpGet" (dict "path" "/healthz" "port" "metrics") -}}
{{- $ready := dict "grpc" (dict "port" .service.settings.grpc_port) -}}
{{- if .service.tls.existingSecret -}}
{{- $ready = dict "httpGet" (dict "path" "/readyz" "port" "metrics") -}}
{{- end -}}
startupProbe:
  {{- toYaml (merge (deepCopy $alive) .service.probes.startup) | nindent 2 }}
livenessProbe:
  {{- toYaml (merge (deepCopy $alive) .service.probes.liveness) | nindent 2 }}
readinessProbe:
  {{- toYaml (merge $ready .service.probes.readiness) | nindent 2 }}
{{- end -}}

{{- define "paceline.spread" -}}
{{- $all := . -}}
{{- with .service.topologySpread }}
{{- if .keys }}
topologySpreadConstraints:
  {{- $spread := . }}
  {{- range .keys }}
  - topologyKey: {{ . }}
    maxSkew: {{ $spread.maxSkew }}
    whenUnsatisfiable: {{ $spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "paceline.selector" $all | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
