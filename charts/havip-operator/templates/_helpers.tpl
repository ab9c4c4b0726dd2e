{{- define "havip.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels of everything; call with (list . "component"). */}}
{{- define "havip.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: havip-operator
{{ include "havip.selector" . }}
{{- end }}

{{/* Labels by which a workload knows its pods: these can never change. */}}
{{- define "havip.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: havip-operator
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image; call with (list . .Values.image.agent). */}}
{{- define "havip.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end }}{{ $image.name }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "havip.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What the restricted Pod Security standard asks of a container. */}}
{{- define "havip.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "havip.controller.serviceAccount" -}}
{{ include "havip.name" . }}-controller
{{- end }}

{{- define "havip.agent.serviceAccount" -}}
{{ include "havip.name" . }}-agent
{{- end }}

{{- define "havip.heartbeatSecret" -}}
{{ .Values.heartbeatKey.existingSecret | default (printf "%s-heartbeat-key" (include "havip.name" .)) }}
{{- end }}

{{/* Not empty if there are to be objects of the Prometheus operator. */}}
{{- define "havip.monitored" -}}
{{- if eq (toString .Values.monitoring.enabled) "auto" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}yes{{ end -}}
{{- else if eq (toString .Values.monitoring.enabled) "true" }}yes{{ end -}}
{{- end }}

{{- define "havip.simcloud.address" -}}
{{- $address := .Values.simcloud.address -}}
{{- if not $address -}}
{{- $node := lookup "v1" "Node" "" .Values.simcloud.node -}}
{{- range dig "status" "addresses" list ($node | default dict) -}}
{{- if and (eq .type "InternalIP") (not $address) }}{{ $address = .address }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $address | required (printf "simcloud.address: there is no node %q to look it up from; give the InternalIP of the node that simcloud.node names" .Values.simcloud.node) -}}
{{- end }}

{{- define "havip.metadataEndpoint" -}}
{{- if .Values.simcloud.enabled -}}
http://{{ include "havip.simcloud.address" . }}:{{ .Values.simcloud.port }}
{{- else -}}
{{ .Values.agent.metadataEndpoint }}
{{- end -}}
{{- end }}
