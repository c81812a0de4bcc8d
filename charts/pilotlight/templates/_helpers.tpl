{{/* The chart's name, as in labels. */}}
{{- define "pilotlight.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Stem of all names. A release that is named like the chart does not say it twice. */}}
{{- define "pilotlight.stem" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains (include "pilotlight.name" .) .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "pilotlight.name" .) -}}
{{- end -}}
{{- end -}}

{{- define "pilotlight.fullname" -}}
{{- include "pilotlight.stem" . | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* `stem-suffix` within 63 characters: the stem is cut, so that two suffixes never give one name. */}}
{{- define "pilotlight.suffixed" -}}
{{- $room := int (sub 62 (len .suffix)) -}}
{{- printf "%s-%s" (include "pilotlight.stem" .context | trunc $room | trimSuffix "-") .suffix -}}
{{- end -}}

{{- define "pilotlight.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "pilotlight.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- ternary (include "pilotlight.fullname" .) "default" .Values.serviceAccount.create -}}
{{- end -}}
{{- end -}}

{{/* What selects the controller's pods. Immutable in a Deployment: never add to it. */}}
{{- define "pilotlight.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pilotlight.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "pilotlight.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "pilotlight.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: pilotlight
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with omit .Values.commonLabels "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* registry/repository:tag, or @digest. Takes a dict of image and context. */}}
{{- define "pilotlight.image" -}}
{{- $repository := .image.repository -}}
{{- if .image.registry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .image.registry) .image.repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .context.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* "true" when the image says which registry it is in; container runtimes guess one otherwise. */}}
{{- define "pilotlight.namesRegistry" -}}
{{- if or .registry (regexMatch "^([^/]*[.:][^/]*|localhost)/" .repository) }}true{{ end -}}
{{- end -}}

{{/* The file that CONFIG_FILE names. */}}
{{- define "pilotlight.config" -}}
predictor:
  image: {{ include "pilotlight.image" (dict "image" .Values.predictor.image "context" .) | quote }}
  {{- with .Values.predictor.image.pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  resources:
    {{- toYaml .Values.predictor.resources | nindent 4 }}
storage:
  {{- toYaml .Values.storage | nindent 2 }}
runtimes:
  {{- toYaml .Values.runtimes | nindent 2 }}
{{- end -}}

{{/* The groups whose kinds are served. */}}
{{- define "pilotlight.groups" -}}
[pilotlight.dev{{ if .Values.compatibility.kserve }}, serving.kserve.io{{ end }}]
{{- end -}}

{{/* What the controller may do where InferenceServices are: the rules of its ClusterRole or Roles. */}}
{{- define "pilotlight.rules" -}}
- apiGroups: {{ include "pilotlight.groups" . }}
  resources: [inferenceservices, servingruntimes]
  verbs: [get, list, watch]
- apiGroups: {{ include "pilotlight.groups" . }}
  resources: [inferenceservices/status]
  verbs: [patch]
# Owner references that block the owner's deletion need it where OwnerReferencesPermissionEnforcement is on.
- apiGroups: {{ include "pilotlight.groups" . }}
  resources: [inferenceservices/finalizers]
  verbs: [update]
- apiGroups: [serving.knative.dev]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [serving.knative.dev]
  resources: [revisions]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.compatibility.kserve }}
# Which Secrets have the keys of a model's store: KServe's users list them in the pods' service account.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch]
{{- if .Values.compatibility.readSecrets }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
{{- end }}
{{- end -}}

{{/* The controller's ServiceAccount as the subject of a binding. */}}
{{- define "pilotlight.subjects" -}}
- kind: ServiceAccount
  name: {{ include "pilotlight.serviceAccountName" . }}
  namespace: {{ include "pilotlight.namespace" . }}
{{- end -}}

{{/* Combinations that each key's own schema cannot refuse. */}}
{{- define "pilotlight.check" -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) -}}
{{- fail (printf "replicaCount is %d and leaderElection.enabled is false: the pods would undo each other's writes. Set leaderElection.enabled=true or replicaCount=1" (int .Values.replicaCount)) -}}
{{- end -}}
{{- if and (not .Values.metrics.service.enabled) .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled: a ServiceMonitor finds pods through a Service" -}}
{{- end -}}
{{- end -}}
