//! The file system below an S3 server's buckets, which asks for no key.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::wait::until;

/// Where it keeps what belongs to unfinished uploads.
const UPLOADS: &str = ".uploads";

/// The filer at an address.
pub struct Filer(pub String);

impl Filer {
    pub fn make_bucket(&self, name: &str) {
        let answer = self.ask("POST", &format!("/buckets/{name}/"));
        assert!(answer.contains(" 201 "), "{answer}");
    }

    pub fn remove_bucket(&self, name: &str) {
        let answer = self.ask("DELETE", &format!("/buckets/{name}/?recursive=true"));
        assert!(answer.contains(" 204 "), "{answer}");
    }

    /// How many uploads to a bucket are not finished.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        let answer = self.ask("GET", &format!("/buckets/{bucket}/{UPLOADS}/?limit=1000"));
        if answer.contains(" 404 ") {
            return 0;
        }
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let listing: Value = serde_json::from_str(body).unwrap();
        listing["Entries"].as_array().map_or(0, Vec::len)
    }

    /// How many objects a bucket holds.
    pub fn objects(&self, bucket: &str) -> usize {
        let (mut count, mut folders) = (0, vec![format!("/buckets/{bucket}")]);
        while let Some(folder) = folders.pop() {
            let answer = self.ask("GET", &format!("{folder}/?limit=10000"));
            if answer.contains(" 404 ") {
                continue;
            }
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let listing: Value = serde_json::from_str(body).unwrap();
            for entry in listing["Entries"].as_array().into_iter().flatten() {
                let path = entry["FullPath"].as_str().unwrap();
                // The mode of a folder has its highest bit set.
                let is_folder = entry["Mode"].as_u64().unwrap() & (1 << 31) != 0;
                if path.ends_with(UPLOADS) {
                    continue;
                }
                if is_folder {
                    folders.push(path.to_owned());
                } else {
                    count += 1;
                }
            }
        }
        count
    }

    /// Head and body of the answer to a request.
    fn ask(&self, method: &str, path: &str) -> String {
        let address = &self.0;
        until("the filer to answer", Duration::from_secs(30), || {
            let mut stream = TcpStream::connect(address).ok()?;
            let request = format!(
                "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            (!answer.is_empty()).then_some(answer)
        })
    }
}
