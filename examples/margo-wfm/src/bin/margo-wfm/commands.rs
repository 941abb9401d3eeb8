//! The commands that ask a running fleet manager, and those that make identities.

mod enrolment;

use std::fs;
use std::path::{self, Path};

use margo_wfm::admin::AdminClient;
use margo_wfm::identity::{DevelopmentDomain, IssuedFiles};
use margo_wfm::operations::{
    self, AnswersText, Backup, ChangeGeneration, Changed, DecideClient, History, ImportPackage,
    ListClients, ListDevices, ListPackages, Remove, Settings,
};
use margo_wfm::{Config, Failure, Kind};
use serde_json::json;

use crate::arguments::{ClientCommand, Command, Device, Identity, Package, Values};
use crate::output::Output;
use crate::{table, watch};

/// Runs a command other than `run`.
pub(crate) async fn run(command: Command, config: &Path, output: Output) -> Result<(), Failure> {
    if let Command::Identity(command) = command {
        return identity(command, output);
    }
    let admin = AdminClient::new(
        Config::load(config)?.state.admin_socket(),
        format!("margo-wfm run --config {}", config.display()),
    );
    match command {
        Command::Package(Package::Import { source }) => import(&admin, source, output).await,
        Command::Package(Package::List) => {
            let packages = admin.run(ListPackages {}).await?;
            output.listing(&packages, table::packages)
        }
        Command::Client(command) => client(&admin, command, output).await,
        Command::Enrolment(command) => enrolment::run(&admin, command, output).await,
        Command::Device(Device::List) => {
            let devices = admin.run(ListDevices {}).await?;
            output.listing(&devices, table::devices)
        }
        Command::Deploy(arguments) => {
            let mut deploy =
                operations::Deploy::new(arguments.package).with(settings(arguments.values)?);
            deploy.profile = arguments.profile;
            deploy.destination = arguments.device;
            deploy.force = arguments.force;
            let deployed = admin.run(deploy).await?;
            let mut text = format!(
                "{}: {} {} goes to {}/{} with profile {} (deployment {}, manifest {})",
                deployed.name,
                deployed.application,
                deployed.version,
                deployed.client,
                deployed.target,
                deployed.profile,
                deployed.deployment,
                deployed.manifest
            );
            for warning in &deployed.warnings {
                text.push_str("\nwarning: ");
                text.push_str(warning);
            }
            output.result(&deployed, &text)
        }
        Command::Update(arguments) => {
            let mut update = operations::Update::new(arguments.deployment);
            update.version = arguments.to;
            update.profile = arguments.profile;
            update.settings = settings(arguments.values)?;
            changed(&admin.run(update).await?, output)
        }
        Command::Reconfigure(arguments) => {
            let values = settings(arguments.values)?;
            let reconfigure = operations::Reconfigure::new(arguments.deployment, values);
            changed(&admin.run(reconfigure).await?, output)
        }
        Command::Remove(arguments) => {
            changed(&admin.run(Remove::new(arguments.deployment)).await?, output)
        }
        Command::Status(arguments) => {
            let mut status = operations::Status::default();
            status.all = arguments.all;
            if arguments.watch {
                return watch::watch(&admin, status, output).await;
            }
            let overviews = admin.run(status).await?;
            output.listing(&overviews, table::status)
        }
        Command::History(arguments) => {
            let entries = admin.run(History::new(arguments.deployment)).await?;
            output.result(&entries, &table::history(&entries))
        }
        Command::Backup { directory } => {
            let made = admin.run(Backup::new(absolute(&directory)?)).await?;
            let text = format!("the backup is in {}", made.directory.display());
            output.result(&made, &text)
        }
        Command::Run | Command::Identity(_) => Ok(()),
    }
}

fn identity(command: Identity, output: Output) -> Result<(), Failure> {
    match command {
        Identity::Init {
            directory,
            trust_domain,
            wfm_id,
            clients,
        } => {
            let domain = DevelopmentDomain::init(&directory, &trust_domain, &wfm_id, &clients)?;
            let wfm = domain.wfm()?;
            let text = format!(
                "{}\n\nmade the trust domain {trust_domain} in {}; the fleet manager is {}\n\n{}",
                DevelopmentDomain::WARNING,
                directory.display(),
                wfm.id,
                for_configuration(&wfm)
            );
            let result = json!({
                "warning": DevelopmentDomain::WARNING,
                "directory": directory,
                "trustDomain": trust_domain,
                "wfm": wfm,
            });
            output.result(&result, &text)
        }
        Identity::Issue { client, directory } => {
            let issued = DevelopmentDomain::open(&directory)?.issue(&client)?;
            let text = format!(
                "{}\n\n{} can use {} with {} and {}",
                DevelopmentDomain::WARNING,
                issued.id,
                issued.svid.display(),
                issued.key.display(),
                issued.bundle.display()
            );
            output.result(&issued, &text)
        }
    }
}

/// What the configuration file has to say.
fn for_configuration(files: &IssuedFiles) -> String {
    let lines = [
        ("svid", &files.svid),
        ("key", &files.key),
        ("bundle", &files.bundle),
    ];
    let lines = lines.map(|(key, path)| {
        let path = toml::Value::from(path.display().to_string());
        format!("{key} = {path}")
    });
    format!("in the configuration:\n\n[identity]\n{}", lines.join("\n"))
}

async fn import(admin: &AdminClient, source: String, output: Output) -> Result<(), Failure> {
    // The fleet manager has a working directory of its own.
    let source = if source.starts_with("oci://") {
        source
    } else {
        absolute(source.as_ref())?.display().to_string()
    };
    let imported = admin.run(ImportPackage::new(source)).await?;
    let how = if imported.new {
        "imported"
    } else {
        "unchanged"
    };
    let mut text = format!("{how}: {}", imported.reference());
    for warning in &imported.warnings {
        text.push('\n');
        text.push_str(warning);
    }
    output.result(&imported, &text)
}

async fn client(
    admin: &AdminClient,
    command: ClientCommand,
    output: Output,
) -> Result<(), Failure> {
    let decision = match command {
        ClientCommand::Accept { client, note } => DecideClient::accept(client, note),
        ClientCommand::Refuse { client, reason } => DecideClient::refuse(client, reason),
        ClientCommand::List => {
            let clients = admin.run(ListClients {}).await?;
            return output.result(&clients, &table::clients(&clients));
        }
        ClientCommand::Generation { client, generation } => {
            let changed = admin.run(ChangeGeneration::new(client, generation)).await?;
            let text = format!("client {} speaks {generation} from now on", changed.client);
            return output.result(&changed, &text);
        }
    };
    let decided = admin.run(decision).await?;
    let how = if decided.accepted {
        "is served"
    } else {
        "is refused"
    };
    let text = format!("client {} {how} from its next request on", decided.client);
    output.result(&decided, &text)
}

fn changed(changed: &Changed, output: Output) -> Result<(), Failure> {
    let Changed {
        name,
        client,
        version,
        manifest,
        ..
    } = changed;
    let text = if changed.changed {
        let action = changed.action.as_str();
        format!("{name} is {action}: version {version}, for {client} with manifest {manifest}")
    } else {
        format!("{name} is like this already: version {version}, manifest {manifest}")
    };
    output.result(changed, &text)
}

fn settings(values: Values) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    if let Some(file) = values.answers {
        let text = fs::read_to_string(&file).map_err(|error| {
            let message = format!(
                "the answers file {} cannot be read; correct the path",
                file.display()
            );
            Failure::caused(Kind::Usage, message, &error)
        })?;
        let name = file.display().to_string();
        settings = settings.answers(AnswersText { name, text });
    }
    for (name, value) in values.set {
        settings = settings.set(name, value);
    }
    Ok(settings)
}

fn absolute(path: &Path) -> Result<path::PathBuf, Failure> {
    path::absolute(path).map_err(|error| Failure::file(path, &error))
}
