//! Template mode: Helm renders, the provider applies.

mod refused;
mod running;
mod taken_back;

use libtest_mimic::Trial;

pub(crate) fn add(trials: &mut Vec<Trial>) {
    refused::add(trials);
    running::add(trials);
    taken_back::add(trials);
}

/// A deployment that runs an image of the tag in the values, with a config map and a service.
const WEB: &[(&str, &str)] = &[
    (
        "values.yaml",
        "host: registry.k8s.io\ntag: '1'\nreplicas: 2\n",
    ),
    ("templates/config.yaml", CONFIG),
    ("templates/web.yaml", DEPLOYMENT),
    ("templates/service.yaml", SERVICE),
];

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  tag: {{ .Values.tag | quote }}\n";

const DEPLOYMENT: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels:
    app.kubernetes.io/managed-by: {{ .Release.Service }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
      - name: web
        image: {{ .Values.host }}/pause:3.{{ .Values.tag }}
        {{- with .Values.probe }}
        readinessProbe: {{ . }}
        {{- end }}
";

const SERVICE: &str = r"
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{port: 80}]
";

const STATEFUL_SET: &str = r"
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}
spec:
  serviceName: {{ .Release.Name }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers: [{name: db, image: registry.k8s.io/pause:3.{{ .Values.tag }}}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
";
