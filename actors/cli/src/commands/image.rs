//! `plimsoll image`: images of the nodes on this machine.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Subcommand};
use runtime::ImageDirectory;

use super::table::Columns;
use crate::cluster::present_data_dir;
use crate::components::images;

/// Bring images to the nodes of this machine, or show those there are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Image {
    /// The cluster's directory, as `up` has it [default: that of $KUBECONFIG if it is one's, else
    /// $XDG_DATA_HOME/plimsoll]
    #[arg(long, value_name = "DIR", env = "PLIMSOLL_DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  docker save busybox:1.36 -o busybox.tar && plimsoll image import busybox.tar
  plimsoll image ls";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add the images of a tar file: an OCI layout, or what `docker save` writes
    Import {
        /// The tar file, which may be compressed by gzip
        file: PathBuf,
    },
    /// Show the images there are
    Ls,
}

impl Image {
    /// Carries the verb out; a cluster that runs sees what was added at once.
    ///
    /// # Errors
    /// What was refused, and why.
    pub fn execute(self) -> anyhow::Result<()> {
        let data_dir = present_data_dir(self.data_dir);
        let held = data_dir.join("version").is_file();
        ensure!(
            held,
            "there is no cluster in {}; start one with `plimsoll up`, or give --data-dir",
            data_dir.display()
        );
        let directory = ImageDirectory::open(images(&data_dir))?;
        match self.verb {
            Verb::Import { file } => {
                for image in directory.import(&file)? {
                    println!("{}", image.repo_tags.first().unwrap_or(&image.id));
                }
            }
            Verb::Ls => {
                let mut rows = vec![["IMAGE", "ID", "SIZE"].map(str::to_owned).to_vec()];
                for image in directory.list()? {
                    let name = image.repo_tags.first().or(image.repo_digests.first());
                    let id = image
                        .id
                        .trim_start_matches("sha256:")
                        .chars()
                        .take(12)
                        .collect();
                    let size = format!("{:.1}MiB", image.size as f64 / (1024.0 * 1024.0));
                    rows.push(vec![
                        name.cloned().unwrap_or_else(|| "<none>".to_owned()),
                        id,
                        size,
                    ]);
                }
                print!("{}", Columns::default().lines(&rows));
            }
        }
        Ok(())
    }
}
