{{/* Names, labels and the parts that several templates share. */}}

{{- define "groklab.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "groklab.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "groklab.labels" -}}
{{ include "groklab.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image by its name in image.repositories: (list root name). */}}
{{- define "groklab.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- $repository := index $image.repositories (index . 1) -}}
{{- if $image.registry -}}{{ trimSuffix "/" $image.registry }}/{{ end -}}
{{- $repository }}:{{ $image.tag | default $root.Chart.AppVersion -}}
{{- end -}}

{{- define "groklab.tokens" -}}
{{- .Values.auth.existingSecret | default (printf "%s-tokens" (include "groklab.fullname" .)) -}}
{{- end -}}

{{- define "groklab.databaseSecret" -}}
{{- .Values.database.existingSecret | default (printf "%s-database" (include "groklab.fullname" .)) -}}
{{- end -}}

{{- define "groklab.tlsSecret" -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- include "groklab.fullname" . }}-tls
{{- else -}}
{{- .Values.tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "groklab.host" -}}
{{- include "groklab.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "groklab.url" -}}
{{- if eq .Values.tls.mode "none" }}http{{ else }}https{{ end }}://{{ include "groklab.host" . }}:{{ .Values.coordinator.service.port }}
{{- end -}}

{{/* Environment variables, each once: (list own common specific); what comes later counts. */}}
{{- define "groklab.env" -}}
{{- $lists := . -}}
{{- $taken := dict -}}
{{- $kept := list -}}
{{- range $list := reverse $lists -}}
{{- $names := dict -}}
{{- $these := list -}}
{{- range $list -}}
{{- if hasKey $names .name }}{{ fail (printf "the environment variable %s is given twice in one list" .name) }}{{ end -}}
{{- $_ := set $names .name true -}}
{{- if not (hasKey $taken .name) -}}{{- $these = append $these . -}}{{- end -}}
{{- end -}}
{{- $taken = merge $taken $names -}}
{{- $kept = concat $these $kept -}}
{{- end -}}
{{- if $kept }}{{ toYaml $kept }}{{ else }}[]{{ end -}}
{{- end -}}

{{/* What every pod of ours may and may not: Pod Security "restricted". */}}
{{- define "groklab.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "groklab.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod goes: of the coordinator's values or of a worker. */}}
{{- define "groklab.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "groklab.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Mounts the authority that signed the coordinator's certificate, never its key. */}}
{{- define "groklab.authorityVolume" -}}
- name: authority
  secret:
    secretName: {{ include "groklab.tlsSecret" . }}
    items: [{key: {{ .Values.tls.caKey }}, path: ca.crt}]
{{- end -}}

{{- define "groklab.needsAuthority" -}}
{{- if and (ne .Values.tls.mode "none") .Values.tls.caKey }}yes{{ end -}}
{{- end -}}

{{/* All workers with what their kind gives them, without those that are left out: a dict by name, as JSON. */}}
{{- define "groklab.workers" -}}
{{- $all := dict -}}
{{- range $name, $given := .Values.workers -}}
{{- if and $given (ne (toString $given.enabled) "false") -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$" $name) -}}
{{- fail (printf "workers.%s: the name must be lower-case letters, digits and hyphens, 20 at most" $name) -}}
{{- end -}}
{{- $_ := set $all $name (mergeOverwrite (deepCopy (index $.Values.workerDefaults $given.kind)) (deepCopy $given)) -}}
{{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* What cannot be meant is refused here, by name; what the schema can say stands there. */}}
{{- define "groklab.check" -}}
{{- $v := .Values -}}
{{- if and (not $v.database.existingSecret) (not $v.database.url) -}}
{{- fail "database: name a secret with the URL of your Postgres in database.existingSecret (key `url`), or give database.url" -}}
{{- end -}}
{{- if and $v.database.existingSecret $v.database.url -}}
{{- fail "database: give existingSecret or url, not both" -}}
{{- end -}}
{{- if and (gt (int $v.coordinator.replicas) 1) (not $v.artifacts.s3.url) -}}
{{- fail "coordinator.replicas: more than one needs artifacts.s3.url, for a volume belongs to one pod" -}}
{{- end -}}
{{- if and (eq $v.tls.mode "existingSecret") (not $v.tls.existingSecret) -}}
{{- fail "tls.existingSecret: name the secret, or choose another tls.mode" -}}
{{- end -}}
{{- if and (eq $v.tls.mode "certManager") (not $v.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name: name the issuer" -}}
{{- end -}}
{{- if and $v.artifacts.s3.url $v.artifacts.volume.existingClaim -}}
{{- fail "artifacts: give s3.url or volume.existingClaim, not both" -}}
{{- end -}}
{{- end -}}
