{{/* Who calls whom, as the architecture has it. */}}
{{- define "paceline.callers" -}}
gateway: []
feed: [gateway, replicator, executor, risk]
feed-pin: [gateway]
replicator: [gateway]
executor: [gateway, replicator, risk]
risk: [gateway]
{{- end -}}

{{/* The gateway is balanced; of the others a caller picks one pod, so their name resolves to all of them. */}}
{{- define "paceline.clusterService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels:
    {{- include "paceline.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  {{- if ne .component "gateway" }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "paceline.selector" . | nindent 4 }}
  ports:
    - name: grpc
      port: {{ .service.settings.grpc_port }}
      targetPort: grpc
      protocol: TCP
      {{- if not .service.tls.existingSecret }}
      appProtocol: kubernetes.io/h2c
      {{- end }}
    - name: metrics
      port: {{ .service.settings.metrics_port }}
      targetPort: metrics
      protocol: TCP
      appProtocol: http
{{- end -}}

{{- define "paceline.networkPolicy" -}}
{{- $all := . -}}
{{- $callers := index (include "paceline.callers" . | fromYaml) .component -}}
{{- $policy := .root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "paceline.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "paceline.selector" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - port: grpc
          protocol: TCP
      {{- if ne .component "gateway" }}
      from:
        {{- range $callers }}
        - podSelector:
            matchLabels:
              {{- include "paceline.selector" (dict "root" $all.root "component" .) | nindent 14 }}
        {{- end }}
      {{- else if $policy.gatewayFrom }}
      from:
        {{- toYaml $policy.gatewayFrom | nindent 8 }}
      {{- end }}
    - ports:
        - port: metrics
          protocol: TCP
      {{- with $policy.metricsFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
